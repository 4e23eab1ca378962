"""Parts of planes: those that stand, those that changed, and both put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import EllipsisType
from typing import TypeAlias

import torch
from torch.nn import functional

from .spans import Box, Positions, Span

__all__ = ["Margins", "Patch", "Plane", "assemble", "cut", "layout", "whole"]

Margins = tuple[int, int, int, int]
"""Positions added to a plane: left, right, above, below."""

_Index: TypeAlias = tuple[EllipsisType | slice, ...]

_NO_MARGINS: Margins = (0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class Patch:
    """The changed part of an activation, for every sample of a batch.

    Parameters
    ----------
    values : torch.Tensor
        [N, C, h, w].
    box : Box
        Where it lies.
    """

    values: torch.Tensor
    box: Box


@dataclass(frozen=True, eq=False)
class Plane:
    """An activation of the unchanged image.

    Parameters
    ----------
    values : torch.Tensor
        [1, C, H, W].
    """

    values: torch.Tensor
    _padded: dict[tuple[Margins, float], torch.Tensor] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.values.shape[2], self.values.shape[3]

    def padded(self, margins: Margins, fill: float) -> torch.Tensor:
        """Return it with margins of a value around it; kept, since every batch asks for it."""
        if margins == _NO_MARGINS:
            return self.values
        key = (margins, fill)
        if key not in self._padded:
            padded = functional.pad(self.values, margins, value=fill)
            self._padded[key] = padded.contiguous(memory_format=layout(self.values))
        return self._padded[key]


def layout(values: torch.Tensor) -> torch.memory_format:
    """Return how an activation lies in memory."""
    # With one channel, or one position, both are true.
    plain = values.is_contiguous() or not values.is_contiguous(memory_format=torch.channels_last)
    return torch.contiguous_format if plain else torch.channels_last


def assemble(plane: Plane, patch: Patch, box: Box, margins: Margins = _NO_MARGINS, fill: float = 0.0) -> torch.Tensor:
    """Return a part of an activation for every sample: the patch where it changed, the plane elsewhere.

    Parameters
    ----------
    plane, patch : Plane, Patch
        The activation before, and what changed of it.
    box : Box
        Which part; it may reach over the plane's border by the margins.
    margins : tuple of int
        Positions around the plane.
    fill : float
        What stands there.

    Returns
    -------
    torch.Tensor
        [N, C, h, w]; may be a view of the patch.
    """
    down, right = box.rows.offsets(patch.box.rows), box.columns.offsets(patch.box.columns)
    alike = bool((down == down[0]).all() and (right == right[0]).all())
    if alike and _covers(patch.box.rows, box.rows) and _covers(patch.box.columns, box.columns):
        top, left = -int(down[0]), -int(right[0])
        return patch.values[:, :, top : top + box.rows.length, left : left + box.columns.length]
    result = cut(plane.padded(margins, fill)[0], box.rows, box.columns, margins[2], margins[0])
    _overlay(result, patch.values, down, right, alike=alike)
    return result


def cut(source: torch.Tensor, rows: Span, columns: Span, down: int = 0, right: int = 0) -> torch.Tensor:
    """Return a copy of a part of a plane for every sample.

    Parameters
    ----------
    source : torch.Tensor
        [C, H, W].
    rows, columns : Span
        Which part.
    down, right : int
        Where the first row and column of those that these count lie in `source`.

    Returns
    -------
    torch.Tensor
        [N, C, h, w], in the memory format of `source`.
    """
    height, width = rows.length, columns.length
    result = torch.empty(
        (len(rows.starts), source.shape[0], height, width),
        dtype=source.dtype,
        device=source.device,
        memory_format=layout(source[None]),
    )
    tops, lefts = (rows.starts + down).tolist(), (columns.starts + right).tolist()
    for sample, top, left in zip(result, tops, lefts, strict=True):
        sample.copy_(source[:, top : top + height, left : left + width])
    return result


def whole(plane: Plane, patch: Patch) -> torch.Tensor:
    """Return the whole activation [N, C, H, W] of every sample."""
    height, width = plane.size
    beginning = patch.box.rows.starts * 0
    return assemble(plane, patch, Box(Span(beginning, height), Span(beginning, width)))


def _covers(outer: Span, inner: Span) -> bool:
    offsets = outer.offsets(inner)
    return bool((offsets >= 0).all() and (offsets + inner.length <= outer.length).all())


def _overlay(result: torch.Tensor, values: torch.Tensor, down: Positions, right: Positions, *, alike: bool) -> None:
    """Write patches over parts, which they may overhang."""
    sizes, parts = values.shape[2:], result.shape[2:]
    if alike:
        target, source = _overlap((int(down[0]), int(right[0])), sizes, parts)
        result[target] = values[source]
        return
    for sample, patch, *offsets in zip(result, values, down.tolist(), right.tolist(), strict=True):
        target, source = _overlap(offsets, sizes, parts)
        sample[target] = patch[source]


def _overlap(offsets: Sequence[int], sizes: Sequence[int], parts: Sequence[int]) -> tuple[_Index, _Index]:
    """Return where a patch lies in a part, and which part of the patch that is."""
    target: list[slice] = []
    source: list[slice] = []
    for offset, size, part in zip(offsets, sizes, parts, strict=True):
        begin, end = max(0, offset), max(0, min(part, offset + size))
        begin = min(begin, end)
        target.append(slice(begin, end))
        source.append(slice(begin - offset, end - offset))
    return (..., *target), (..., *source)
