"""Where along an axis something changed, for all samples of a batch; and how far a sliding window carries it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "Sliding", "Span", "hull"]

Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Span:
    """A stretch of one axis for every sample: equally long for all, so that they fit into one tensor.

    What did not change may lie inside it, never the other way round.

    Parameters
    ----------
    starts : ndarray of int64, shape [N]
        Its first position in each sample.
    length : int
        Number of positions, at least 1.
    """

    starts: Positions
    length: int

    @classmethod
    def covering(cls, begins: Positions, ends: Positions, size: int) -> Span:
        """Return the shortest span over [begin, end) in every sample, moved inside an axis of `size` positions."""
        begins, ends = np.clip(begins, 0, size), np.clip(ends, 0, size)
        length = min(max(1, int((ends - begins).max())), size)
        return cls(np.clip(begins, 0, size - length), length)

    def offsets(self, other: Span) -> Positions:
        """Return where `other` begins, counted from the beginning of this one."""
        return other.starts - self.starts


@dataclass(frozen=True, eq=False)
class Box:
    """A part of the plane for every sample.

    Parameters
    ----------
    rows, columns : Span
        Along the height and the width.
    """

    rows: Span
    columns: Span

    @property
    def area(self) -> int:
        """Number of positions, of one sample."""
        return self.rows.length * self.columns.length


@dataclass(frozen=True)
class Sliding:
    """A window that slides along an axis, as those of convolutions and poolings.

    Parameters
    ----------
    kernel, stride, dilation : int
        Its positions, the step from one output to the next, and the step from one of its positions to the next.
    padding : int
        Positions before the first of the input at which it begins.
    inputs, outputs : int
        Length of the axis before and after.
    """

    kernel: int
    stride: int
    dilation: int
    padding: int
    inputs: int
    outputs: int

    @property
    def reach(self) -> int:
        """Positions from the first that it sees to the last."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def margins(self) -> tuple[int, int]:
        """Positions that are missing before and after the input for all outputs to be computed without padding."""
        end = (self.outputs - 1) * self.stride - self.padding + self.reach
        return self.padding, max(0, end - self.inputs)

    def changed(self, span: Span) -> Span:
        """Return the outputs that see a part of the input."""
        first = -((span.starts + self.padding - self.reach + 1) // -self.stride)
        last = (span.starts + span.length - 1 + self.padding) // self.stride
        return Span.covering(first, last + 1, self.outputs)

    def seen(self, span: Span) -> Span:
        """Return the inputs that a part of the outputs sees; they may lie outside the axis, by the margins at most."""
        return Span(span.starts * self.stride - self.padding, (span.length - 1) * self.stride + self.reach)


def hull(boxes: Sequence[Box], size: Sequence[int]) -> Box:
    """Return the smallest box over several, in a plane of `size` [height, width]."""
    if len(boxes) == 1:
        return boxes[0]
    rows = _cover((box.rows for box in boxes), int(size[0]))
    return Box(rows, _cover((box.columns for box in boxes), int(size[1])))


def _cover(spans: Iterable[Span], size: int) -> Span:
    spans = list(spans)
    begins = np.min([span.starts for span in spans], axis=0)
    ends = np.max([span.starts + span.length for span in spans], axis=0)
    return Span.covering(begins, ends, size)
