"""A network in the forms in which methods explain it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from ..handlers.errors import HandlersError
from ..handlers.lifting import check_fidelity, check_gradient, lift
from .contract import Method, Need, Parameters
from .errors import NotApplicable

if TYPE_CHECKING:
    from ..handlers.card import InputSpec

__all__ = ["Applicability", "ExplainableNetwork"]


@dataclass(frozen=True)
class Applicability:
    """What can be done with a network's TorchScript copy.

    Parameters
    ----------
    missing : mapping of Need to str
        The needs that it cannot serve, each with the reason.
    refusals : mapping of str to str
        The methods that cannot explain it, by name, each with the reason.
    """

    missing: Mapping[Need, str] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)


class ExplainableNetwork:
    """A TorchScript copy, and its lifted form from the first time that a method needs it.

    Parameters
    ----------
    script : torch.nn.Module
        The TorchScript copy, in evaluation mode.
    spec : InputSpec
        What it expects to see.
    """

    def __init__(self, script: torch.nn.Module, spec: InputSpec) -> None:
        self._script = script
        self._spec = spec
        self._lifted: torch.fx.GraphModule | None = None
        self._missing: dict[Need, str | None] = {Need.FORWARD: None}

    def form_for(self, method: Method[Any], params: Parameters | None = None) -> torch.nn.Module:
        """Return the form that a method explains: the lifted network where it needs modules, else the copy itself.

        What it needs may depend on its parameters; without them it is what it needs at least. Both forms share their
        weights. The lifted network is compared with the copy on random images before first use.

        Raises
        ------
        NotApplicable
            If this network has not what the method needs, or the method refuses it.
        """
        needs = method.needs if params is None else method.needs_of(params)
        for need in Need:
            if need in needs and (reason := self._lacks(need)) is not None:
                raise NotApplicable(f"the network {reason}")
        network = self.lifted() if Need.MODULES in needs else self._script
        method.check_network(network)
        return network

    def lifted(self) -> torch.fx.GraphModule:
        """Return the lifted network, which shares its weights with the copy; see :meth:`form_for`.

        Raises
        ------
        NotApplicable
            If it cannot be lifted.
        """
        if (reason := self._lacks(Need.MODULES)) is not None:
            raise NotApplicable(f"the network {reason}")
        assert self._lifted is not None  # noqa: S101 - `_lacks` lifted it
        return self._lifted

    def graph_of(self, network: torch.nn.Module) -> torch.fx.GraphModule | None:
        """Return the lifted form of what `form_for` gave; None where it has none, and for any other network."""
        if network is not self._script or self._lacks(Need.MODULES) is not None:
            return None
        return self._lifted

    def applicability(self, methods: Iterable[Method[Any]]) -> Applicability:
        """Find out what this network can serve, and which methods cannot explain it."""
        missing = {need: reason for need in Need if (reason := self._lacks(need)) is not None}
        refusals = {method.name: reason for method in methods if (reason := self._refusal(method)) is not None}
        return Applicability(missing, refusals)

    def _refusal(self, method: Method[Any]) -> str | None:
        try:
            self.form_for(method)
        except NotApplicable as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a stranger's code; it is reported where it runs
            return f"the method raised {type(error).__name__} when it looked at the network"
        return None

    def _lacks(self, need: Need) -> str | None:
        """Say why the network cannot serve a need; found out once."""
        if need not in self._missing:
            try:
                if need is Need.GRADIENT:
                    check_gradient(self._script, self._spec)
                else:
                    self._lift()
                self._missing[need] = None
            except HandlersError as error:
                self._missing[need] = str(error)
        return self._missing[need]

    def _lift(self) -> None:
        check_gradient(self._script, self._spec)
        if not isinstance(self._script, torch.jit.ScriptModule):
            raise TypeError(f"only a TorchScript module can be lifted, not {type(self._script).__name__}")
        lifted = lift(self._script)
        check_fidelity(lifted, self._script, self._spec)
        self._lifted = lifted
