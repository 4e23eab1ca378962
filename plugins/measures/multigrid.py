"""Smoothing out on coarser grids what the equations of neighbours' means would take long to carry across an image."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["HiddenPixels"]

_DAMPING = 0.8
"""Of Jacobi's iteration, so that it smooths."""
_LEAST = 4
"""Pixels along the shorter side of the coarsest grid."""

Plane = NDArray[np.floating[Any]]


class HiddenPixels:
    """The equations that make each hidden pixel the weighted mean of its eight neighbours.

    Direct neighbours weigh 1/6 and diagonal ones 1/12, those outside the image nothing. Planes are [H, W + 1]: the last
    column is zero, so that a row's ends have nothing beside them, whichever way memory is read.

    Parameters
    ----------
    hidden : ndarray of bool, shape [H, W]
        The pixels; at least one.
    dtype : type
        To compute with.
    """

    def __init__(self, hidden: NDArray[np.bool_], dtype: type[np.floating[Any]] = np.float64) -> None:
        height, width = hidden.shape
        self._hidden = hidden
        self.mask = np.zeros((height, width + 1), dtype)
        self.mask[:, :width] = hidden
        inside = np.zeros_like(self.mask)
        inside[:, :width] = 1
        self._spare, self._spread = np.empty_like(self.mask), np.empty_like(self.mask)
        # Twelve times the sum of a pixel's weights, and four for itself, which `_blur` counts as well.
        self._weights = self._blur(inside).copy()
        self._smooth = _DAMPING * 12 * self.mask / np.maximum(self._weights - 4, 1)
        self._twelfth = self.mask / 12

    def neighbours(self, plane: Plane) -> Plane:
        """Return the weighted sums of the pixels' neighbours, where hidden: [H, W + 1], of a plane of that shape."""
        sums: Plane = (self._blur(plane) - 4 * plane) * self._twelfth
        return sums

    def apply(self, plane: Plane, out: Plane) -> Plane:
        """Return by how much hidden pixels miss the equations, known ones being zero; `plane` is zero there too."""
        blurred = self._blur(plane)
        np.multiply(self._weights, plane, out=out)
        out -= blurred
        out *= self._twelfth
        return out

    def correct(self, missing: Plane) -> Plane:
        """Return about what mends what is missing: one multigrid cycle, symmetric and positive definite.

        A step of damped Jacobi's iteration before and after what a grid of half the size does, whose pixels are hidden
        where all four are; between the grids by bilinear interpolation.
        """
        found: Plane = self._smooth * missing
        if self._coarse is None:
            return found
        height, width = self._hidden.shape
        left = np.empty_like(found)
        np.subtract(missing, self.apply(found, left), out=left)
        below = _halved(self._blur(left)[:, :width], np.add)
        padded = np.zeros_like(self._coarse.mask)
        np.multiply(below, 1 / 16, out=padded[:, :-1])
        padded *= self._coarse.mask
        mended = self._coarse.correct(padded)[:, :-1]
        for row in (0, 1):
            for column in (0, 1):
                left[row::2, column:width:2] = mended[: (height + 1 - row) // 2, : (width + 1 - column) // 2]
        left[:, width] = 0
        step = self._blur(left)
        step *= self.mask
        step /= 16
        found += step
        np.subtract(missing, self.apply(found, left), out=left)
        left *= self._smooth
        found += left
        return found

    @cached_property
    def _coarse(self) -> HiddenPixels | None:
        coarse = _halved(self._hidden, np.logical_and)
        if min(coarse.shape) < _LEAST or not coarse.any():
            return None
        return HiddenPixels(coarse, self.mask.dtype.type)

    def _blur(self, plane: Plane) -> Plane:
        """Weigh the pixels by 1, 2, 1 down and along; the sums are overwritten by the next call."""
        rows, both, flat = self._spare, self._spread, plane.reshape(-1)
        np.multiply(plane, 2, out=rows)
        rows.reshape(-1)[1:] += flat[:-1]
        rows.reshape(-1)[:-1] += flat[1:]
        np.multiply(rows, 2, out=both)
        both[1:] += rows[:-1]
        both[:-1] += rows[1:]
        return both


def _halved(plane: NDArray[Any], combine: np.ufunc) -> NDArray[Any]:
    """Make one pixel of two by two, or of those that there are."""
    rows = plane[::2].copy()
    combine(rows[: len(plane) // 2], plane[1::2], out=rows[: len(plane) // 2])
    both = rows[:, ::2].copy()
    half = both[:, : plane.shape[1] // 2]
    combine(half, rows[:, 1::2], out=half)
    return both
