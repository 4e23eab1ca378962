"""What each operator does with a patch: where its output changes, and how to compute that part alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

import torch
from torch import fx, nn

from ..lifting.layers import ACTIVATIONS, BatchNorm
from .patches import Patch, Plane, assemble
from .sliding import slide_of
from .spans import Box, hull

__all__ = ["Join", "Pointwise", "Rule", "Value", "Values", "call", "rule_of"]

_COPIES = {torch.clone, torch.ops.aten.clone}

_ELEMENTWISE = {
    getattr(torch.ops.aten, name)
    for name in (
        *("add", "sub", "mul", "div", "neg", "relu", "sigmoid", "tanh", "silu", "clamp", "minimum", "maximum"),
        "_to_copy",  # as another type
    )
}
"""Functions of values at one place."""

_POINTWISE_LAYERS = {kind.forward for kind in (*ACTIVATIONS, BatchNorm, nn.BatchNorm2d, nn.Identity)}
"""The computation of layers that are functions of values at one place. By that rather than by kind: a layer that is
derived from one of them may compute something else."""

Value: TypeAlias = Any
"""What a node gives: a tensor mostly."""

Values = Mapping[fx.Node, Value]
"""What the nodes give for the unchanged image; of those that do not depend on it, what they always give."""


class Rule(Protocol):
    """An operator whose output at a place depends on its inputs near that place."""

    @property
    def needs_planes(self) -> bool:
        """Whether it looks at what surrounds the patches."""

    def box(self, boxes: Sequence[Box]) -> Box:
        """Return where the output may differ, from where the inputs may."""

    def apply(self, planes: Sequence[Plane], patches: Sequence[Patch], box: Box) -> torch.Tensor:
        """Compute that part of the output, [N, C, h, w]; `planes` is empty where none are needed."""


@dataclass(frozen=True, eq=False)
class Pointwise:
    """Every output depends on the inputs at its own place, of one activation.

    Parameters
    ----------
    compute : callable
        From the values [N, C, h, w] to as many.
    """

    compute: Callable[[torch.Tensor], torch.Tensor]
    needs_planes: ClassVar[bool] = False

    def box(self, boxes: Sequence[Box]) -> Box:
        """Return the input's."""
        return boxes[0]

    def apply(self, planes: Sequence[Plane], patches: Sequence[Patch], box: Box) -> torch.Tensor:
        """Compute the patch."""
        return self.compute(patches[0].values)


@dataclass(frozen=True, eq=False)
class Join:
    """Every output depends on the inputs at its own place, of several activations.

    Parameters
    ----------
    compute : callable
        From the values of all of them, each [N, C, h, w].
    size : tuple of int
        Height and width of the plane.
    """

    compute: Callable[[Sequence[torch.Tensor]], torch.Tensor]
    size: tuple[int, int]
    needs_planes: ClassVar[bool] = True

    def box(self, boxes: Sequence[Box]) -> Box:
        """Return the hull of the inputs'."""
        return hull(boxes, self.size)

    def apply(self, planes: Sequence[Plane], patches: Sequence[Patch], box: Box) -> torch.Tensor:
        """Bring the patches to the same box, and compute that."""
        return self.compute([assemble(plane, patch, box) for plane, patch in zip(planes, patches, strict=True)])


def rule_of(node: fx.Node, module: nn.Module | None, inputs: Sequence[fx.Node], values: Values) -> Rule | None:
    """Return how an operator works on patches.

    Parameters
    ----------
    node : fx.Node
        The operator.
    module : torch.nn.Module or None
        What it calls, where that is a layer.
    inputs : sequence of fx.Node
        Those of its inputs that depend on the image, each once.
    values : mapping of fx.Node to Any
        What it and its inputs give for the unchanged image.

    Returns
    -------
    Rule or None
        None where it is not known, or its output at a place depends on the whole input: it needs whole activations.
    """
    if not all(_is_activation(values[one]) for one in (node, *inputs)):
        return None
    before, after = values[inputs[0]], values[node]
    if module is not None:
        if module._forward_hooks or module._forward_pre_hooks:
            return None  # Who hooked it counts on whole activations.
        if type(module).forward in _POINTWISE_LAYERS and not module.training:
            return Pointwise(module)
        slide = slide_of(module, before, after)
        # Nothing around the place: no need to look there.
        return (
            Pointwise(module) if isinstance(module, nn.Conv2d) and slide is not None and slide.at_its_place else slide
        )
    if node.op != "call_function":
        return None
    target = getattr(node.target, "overloadpacket", node.target)
    if target in _COPIES:
        return Pointwise(lambda one: one)  # Nothing is written into it here.
    size = (after.shape[2], after.shape[3])
    if target is torch.ops.aten.cat and _joins_channels(node, inputs):
        return Join(lambda many: call(node, None, dict(zip(inputs, many, strict=True))), size)
    if target not in _ELEMENTWISE or any(values[one].shape != after.shape for one in inputs):
        return None
    constants = {one: values[one] for one in node.all_input_nodes if one not in inputs}
    if not all(_is_alike_everywhere(one) for one in constants.values()):
        return None
    if len(inputs) == 1:
        return Pointwise(lambda one: call(node, None, {**constants, inputs[0]: one}))
    return Join(lambda many: call(node, None, {**constants, **dict(zip(inputs, many, strict=True))}), size)


def call(node: fx.Node, module: nn.Module | None, values: Values) -> Value:
    """Compute a node of the graph.

    Parameters
    ----------
    node : fx.Node
        A call.
    module : torch.nn.Module or None
        What it calls, where that is a layer.
    values : mapping of fx.Node to Any
        Its inputs.
    """
    arguments = fx.node.map_arg(node.args, values.__getitem__)
    keywords = fx.node.map_arg(node.kwargs, values.__getitem__)
    if module is not None:
        return module(*arguments, **keywords)
    if node.op == "call_method":
        return getattr(arguments[0], str(node.target))(*arguments[1:], **keywords)
    assert callable(node.target)  # noqa: S101 - there is no other kind of call
    return node.target(*arguments, **keywords)


def _is_activation(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() == 4 and value.shape[0] == 1


def _joins_channels(node: fx.Node, inputs: Sequence[fx.Node]) -> bool:
    parts = node.args[0]
    along = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
    return isinstance(parts, (list, tuple)) and all(part in inputs for part in parts) and along in (1, -3)


def _is_alike_everywhere(constant: object) -> bool:
    """Whether a constant has one value for the whole plane."""
    return not isinstance(constant, torch.Tensor) or all(length == 1 for length in constant.shape[-2:])
