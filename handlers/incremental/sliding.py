"""Convolutions and poolings of a part of a plane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from .patches import Margins, Patch, Plane, assemble, cut
from .spans import Box, Sliding

__all__ = ["Slide", "slide_of"]

_FUNCTIONS = {nn.Conv2d.forward, nn.MaxPool2d.forward, nn.AvgPool2d.forward}


@dataclass(frozen=True, eq=False)
class Slide:
    """An operator whose outputs each see a window of one activation.

    Parameters
    ----------
    rows, columns : Sliding
        How the window moves.
    compute : callable
        From what the outputs of a box see, [N, C, h, w], and that box, to the outputs; without padding.
    fill : float
        What stands around the plane.
    """

    rows: Sliding
    columns: Sliding
    compute: Callable[[torch.Tensor, Box], torch.Tensor]
    fill: float = 0.0
    needs_planes: ClassVar[bool] = True

    @property
    def at_its_place(self) -> bool:
        """Whether every output sees its own place alone."""
        return all(
            (axis.reach, axis.stride, axis.padding) == (1, 1, 0) and axis.inputs == axis.outputs
            for axis in (self.rows, self.columns)
        )

    def box(self, boxes: Sequence[Box]) -> Box:
        """Return the outputs that see something of the input's box."""
        return Box(self.rows.changed(boxes[0].rows), self.columns.changed(boxes[0].columns))

    def apply(self, planes: Sequence[Plane], patches: Sequence[Patch], box: Box) -> torch.Tensor:
        """Compute a box of outputs from what they see."""
        seen = Box(self.rows.seen(box.rows), self.columns.seen(box.columns))
        margins: Margins = (*self.columns.margins, *self.rows.margins)
        return self.compute(assemble(planes[0], patches[0], seen, margins, self.fill), box)


def slide_of(module: nn.Module, before: torch.Tensor, after: torch.Tensor) -> Slide | None:
    """Return how a layer works on patches; None where it is no convolution or pooling that is known here.

    Parameters
    ----------
    module : torch.nn.Module
        The layer.
    before, after : torch.Tensor
        [1, C, H, W]: its input and output of one image.
    """
    if type(module).forward not in _FUNCTIONS:
        return None
    if isinstance(module, nn.Conv2d):
        return _convolution(module, before, after)
    if isinstance(module, nn.MaxPool2d):
        return _max_pooling(module, before, after) if not module.return_indices else None
    return _average_pooling(module, before, after) if isinstance(module, nn.AvgPool2d) else None


def _convolution(layer: nn.Conv2d, before: torch.Tensor, after: torch.Tensor) -> Slide | None:
    if layer.padding_mode != "zeros":
        return None
    kernel, dilation = layer.kernel_size, _two(layer.dilation)
    padding: Sequence[int] | str = layer.padding
    if isinstance(padding, str):
        # As torch has it: the odd one of an even kernel comes after.
        reaches = [spacing * (positions - 1) for spacing, positions in zip(dilation, kernel, strict=True)]
        padding = [0, 0] if padding == "valid" else [reach // 2 for reach in reaches]
    rows, columns = _axes(kernel, _two(layer.stride), dilation, _two(padding), before, after)

    def compute(seen: torch.Tensor, box: Box) -> torch.Tensor:
        return functional.conv2d(seen, layer.weight, layer.bias, layer.stride, 0, layer.dilation, layer.groups)

    return Slide(rows, columns, compute)


def _max_pooling(layer: nn.MaxPool2d, before: torch.Tensor, after: torch.Tensor) -> Slide:
    kernel, stride, dilation = _two(layer.kernel_size), _two(layer.stride), _two(layer.dilation)
    rows, columns = _axes(kernel, stride, dilation, _two(layer.padding), before, after)

    def compute(seen: torch.Tensor, box: Box) -> torch.Tensor:
        return functional.max_pool2d(seen, kernel, stride, 0, dilation)

    return Slide(rows, columns, compute, fill=float("-inf"))


def _average_pooling(layer: nn.AvgPool2d, before: torch.Tensor, after: torch.Tensor) -> Slide:
    kernel, stride = _two(layer.kernel_size), _two(layer.stride)
    rows, columns = _axes(kernel, stride, (1, 1), _two(layer.padding), before, after)
    # 289 places are 288 in bfloat16, in which a sum is not what it was before it was divided either.
    exact = torch.promote_types(before.dtype, torch.float32)
    ones = torch.ones_like(before[:, :1], dtype=exact)
    inside = functional.pad(ones, (*columns.margins, *rows.margins))
    # What an output divides its sum by may differ at the borders: the options of the layer say how.
    divisors = (functional.avg_pool2d(inside, kernel, stride, divisor_override=1) / layer(ones)).round()
    first = round(float(divisors[0, 0, 0, 0]))
    if bool((divisors == first).all()):
        return Slide(
            rows, columns, lambda seen, box: functional.avg_pool2d(seen, kernel, stride, divisor_override=first)
        )

    def compute(seen: torch.Tensor, box: Box) -> torch.Tensor:
        sums = functional.avg_pool2d(seen.to(exact), kernel, stride, divisor_override=1)
        return (sums / cut(divisors[0], box.rows, box.columns)).to(seen.dtype)

    return Slide(rows, columns, compute)


def _axes(
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    before: torch.Tensor,
    after: torch.Tensor,
) -> tuple[Sliding, Sliding]:
    rows, columns = (
        Sliding(
            kernel[axis], stride[axis], dilation[axis], padding[axis], before.shape[2 + axis], after.shape[2 + axis]
        )
        for axis in (0, 1)
    )
    return rows, columns


def _two(value: int | Sequence[int]) -> tuple[int, int]:
    """Return an option for both axes, as it may be given: one number, or a sequence of one or of two."""
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[-1]))
