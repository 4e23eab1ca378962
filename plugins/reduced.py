"""A network in bfloat16, in the forms in which methods explain it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from ..handlers.lifting import NotLiftable, fold, reduce_precision
from .contract import Method, Need, Parameters
from .errors import NotApplicable

if TYPE_CHECKING:
    from .explainable import ExplainableNetwork

__all__ = ["ERROR", "ReducedNetwork"]

ERROR = "bfloat16_error"
"""The fact that says by how much an explained output in bfloat16 is above the one in float32, in the output's units."""


class ReducedNetwork:
    """The bfloat16 forms of a network, each made from its lifted form the first time that a method can use it.

    They have the same interface as :class:`~radiolucent.plugins.explainable.ExplainableNetwork`.

    Parameters
    ----------
    exact : ExplainableNetwork
        The network in float32; kept as an attribute.
    check : callable
        Raises `NotLiftable` where a form is too far from the network.
    before_copying : callable
        Told how many bytes of weights a form is about to copy, at most.
    """

    def __init__(
        self,
        exact: ExplainableNetwork,
        check: Callable[[torch.nn.Module], None],
        before_copying: Callable[[int], None],
    ) -> None:
        self.exact = exact
        self._check = check
        self._before_copying = before_copying

    def form_for(self, method: Method[Any], params: Parameters | None = None) -> torch.nn.Module:
        """Return the form that a method explains.

        That is the lifted network in bfloat16 where it needs modules and does not survive folding, else the folded
        one: folding moves a gradient less than bfloat16 does.

        Raises
        ------
        NotApplicable
            If this network has not what the method needs, or cannot be lifted, or does not survive bfloat16; or the
            method refuses the network, or bfloat16.
        """
        if method.needs_float32:
            raise NotApplicable(f"{method.name} is not computed in bfloat16: {method.needs_float32}")
        needs = self.exact.granted(method, params)
        return self.lifted() if Need.MODULES in needs and not method.survives_folding else self.folded()

    def folded(self) -> torch.fx.GraphModule:
        """Return the fastest form, for forward and backward passes; raises as `lifted`."""
        return self._folded

    def lifted(self) -> torch.fx.GraphModule:
        """Return the lifted network in bfloat16.

        Raises
        ------
        NotApplicable
            If the network cannot be lifted, or does not survive bfloat16.
        """
        return self._lifted

    def graph_of(self, network: torch.nn.Module) -> torch.fx.GraphModule | None:
        """Return None: both forms are graphs themselves."""
        return None

    @property
    def copied_bytes(self) -> int:
        """Bytes of weights that the forms made so far have beside those of the TorchScript copy."""
        made = [one for name in ("_folded", "_lifted") if isinstance(one := self.__dict__.get(name), torch.nn.Module)]
        shared = {tensor.data_ptr() for tensor in self.exact.lifted().parameters()} if made else set()
        return sum(one.nbytes for form in made for one in form.parameters() if one.data_ptr() not in shared)

    @cached_property
    def _lifted(self) -> torch.fx.GraphModule:
        return self._made_of(lambda lifted: lifted)

    @cached_property
    def _folded(self) -> torch.fx.GraphModule:
        return self._made_of(fold)

    def _made_of(self, prepared: Callable[[torch.fx.GraphModule], torch.fx.GraphModule]) -> torch.fx.GraphModule:
        try:
            lifted = self.exact.lifted()
        except NotApplicable as error:
            raise NotApplicable(f"bfloat16 is made from the lifted network, and {error}") from error
        # Half of the weights stay; while they are converted, folded ones are there in float32 too.
        self._before_copying(sum(one.nbytes for one in lifted.parameters()) * 3 // 2)
        form = prepared(lifted)
        reduced = reduce_precision(form)
        if form is not lifted:  # A graph module refers to itself: it would keep its weights until a full collection.
            for layer in form.modules():
                layer._parameters.clear()
        try:
            self._check(reduced)
        except NotLiftable as error:
            raise NotApplicable(f"the network {error}") from error
        return reduced
