"""Maps side by side in one picture: groups as rows, feature maps as columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELL", "GAP", "mosaic"]

CELL = 48
"""Largest side of a map in a picture, in pixels; smaller maps are enlarged by whole numbers, larger ones averaged."""
GAP = 3


def mosaic(maps: NDArray[np.floating[Any]], side: int = CELL) -> NDArray[np.float32]:
    """Put maps side by side.

    Parameters
    ----------
    maps : ndarray of float, shape [rows, columns, height, width]
        Maps.
    side : int
        Largest side of a map, in pixels.

    Returns
    -------
    ndarray of float32
        One plane, NaN between the maps.
    """
    rows, columns = maps.shape[:2]
    cells = np.stack([[_fit(one, side) for one in row] for row in maps.astype(np.float32)])
    height, width = cells.shape[2:]
    plane = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP), np.nan, dtype=np.float32)
    for row in range(rows):
        for column in range(columns):
            top, left = row * (height + GAP), column * (width + GAP)
            plane[top : top + height, left : left + width] = cells[row, column]
    return plane


def _fit(plane: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    own = max(plane.shape)
    if own <= side:
        times = side // own
        return np.repeat(np.repeat(plane, times, axis=0), times, axis=1)
    height, width = (max(1, side * length // own) for length in plane.shape)
    return _averaged(_averaged(plane, height, 0), width, 1)


def _averaged(plane: NDArray[np.float32], size: int, axis: int) -> NDArray[np.float32]:
    """Average along an axis over `size` parts that differ by one pixel at most."""
    edges = np.linspace(0, plane.shape[axis], size + 1).astype(int)
    sums = np.add.reduceat(plane, edges[:-1], axis=axis)
    counts = np.diff(edges)
    return np.asarray(sums / (counts[:, None] if axis == 0 else counts), dtype=np.float32)
