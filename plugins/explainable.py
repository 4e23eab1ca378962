"""A network in the forms in which methods explain it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import torch

from ..handlers.errors import HandlersError
from ..handlers.lifting import (
    NotLiftable,
    check_fidelity,
    check_folding,
    check_gradient,
    check_reduced,
    fold,
    lift,
)
from .contract import Method, Need, Parameters, Precision
from .errors import NotApplicable
from .reduced import ReducedNetwork

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
    """A TorchScript copy, and its other forms from the first time that a method can use them.

    Parameters
    ----------
    script : torch.nn.Module
        The TorchScript copy, in evaluation mode.
    spec : InputSpec
        What it expects to see.
    before_copying : callable, optional
        Told how many bytes of weights a folded form is about to copy, at most.
    """

    def __init__(
        self, script: torch.nn.Module, spec: InputSpec, before_copying: Callable[[int], None] = lambda nbytes: None
    ) -> None:
        self._before_copying = before_copying
        self._script = script
        self._spec = spec
        self._lifted: torch.fx.GraphModule | None = None
        self._folded: torch.nn.Module | None = None
        self._missing: dict[Need, str | None] = {Need.FORWARD: None}
        self._refused: dict[tuple[str, bool], str | None] = {}
        self._reduced: ReducedNetwork | None = None

    def form_for(self, method: Method[Any], params: Parameters | None = None) -> torch.nn.Module:
        """Return the form that a method explains.

        That is the folded network where the method survives folding or needs forward passes alone. Else, and where
        there is none, it is the lifted network where it needs modules, and the copy itself where not. What it needs may
        depend on its parameters; without them it is what it needs at least. The lifted network shares the weights of
        the copy; the folded one has a copy of some. Both are compared with the copy on random images before first use.

        Raises
        ------
        NotApplicable
            If this network has not what the method needs, or the method refuses it.
        """
        needs = self.granted(method, params)
        if (method.survives_folding or needs <= {Need.FORWARD}) and self.folded() is not self._script:
            return self.folded()
        return self.lifted() if Need.MODULES in needs else self._script

    def at(self, precision: Precision) -> ExplainableNetwork | ReducedNetwork:
        """Return the network in a precision: itself in float32."""
        if precision is Precision.FLOAT32:
            return self
        if self._reduced is None:
            check = partial(check_reduced, script=self._script, spec=self._spec)
            self._reduced = ReducedNetwork(self, check, self._before_copying)
        return self._reduced

    def granted(self, method: Method[Any], params: Parameters | None = None) -> frozenset[Need]:
        """Return what a method needs, if the network has it and the method does not refuse the network.

        Raises
        ------
        NotApplicable
            If not.
        """
        needs = method.needs if params is None else method.needs_of(params)
        for need in Need:
            if need in needs and (reason := self._lacks(need)) is not None:
                raise NotApplicable(f"the network {reason}")
        checked = (method.name, Need.MODULES in needs)
        if checked not in self._refused:
            try:
                method.check_network(self.lifted() if Need.MODULES in needs else self._script)
                self._refused[checked] = None
            except NotApplicable as error:
                self._refused[checked] = str(error)
        if (reason := self._refused[checked]) is not None:
            raise NotApplicable(reason)
        return needs

    def folded(self) -> torch.nn.Module:
        """Return the fastest form: the folded network, or the copy where there is none."""
        if self._folded is None:
            try:
                self._folded = self._fold()
            except NotLiftable:
                self._folded = self._script
        return self._folded

    @property
    def copied_bytes(self) -> int:
        """Bytes of weights that the folded network, and the forms in bfloat16, have beside those of the copy."""
        reduced = 0 if self._reduced is None else self._reduced.copied_bytes
        if self._folded is None:
            return reduced
        shared = {tensor.data_ptr() for tensor in self._script.parameters()}
        return reduced + sum(one.nbytes for one in self._folded.parameters() if one.data_ptr() not in shared)

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
        try:  # as `form_for`, but nothing is folded before it is used
            self.granted(method)
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
        check_fidelity(self._rebuilt, self._script, self._spec)
        self._lifted = self._rebuilt

    def _fold(self) -> torch.nn.Module:
        # A frozen copy has no parameters of its own.
        self._before_copying(sum(one.nbytes for one in self._rebuilt.parameters()))
        folded = fold(self._rebuilt)
        check_folding(folded, self._script, self._spec)
        return folded

    @cached_property
    def _rebuilt(self) -> torch.fx.GraphModule:
        """What `lift` makes of the copy, compared with nothing yet."""
        if not isinstance(self._script, torch.jit.ScriptModule):
            raise TypeError(f"only a TorchScript module can be lifted, not {type(self._script).__name__}")
        return lift(self._script)
