"""From a map as it comes to evidence for its label on the common grid.

The rules, fixed beforehand: *evidence for the label* is the positive part of a map; negative values speak against the
label and count as 0; maps without a sign are taken as they are. The positive part is taken on the network's own grid.
Then each cell of the common grid has the map's value at its centre, linear between the centres of the map's pixels; of
a map that is finer than the grid, the mean of as many points in the cell as it takes. The film's edge is where the map
ends: nothing of the padding comes in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .grid import FilmGrid, FloatPlane

__all__ = ["Evidence", "PlacedMap", "Placement", "bring", "why_unusable"]

_CLOSE = 1e-6  # pixels; what rounding makes of whole numbers


class Placement(Protocol):
    """How to get from a map's pixels to the film's (`handlers.geometry.Affine`, or the client's of the same name)."""

    @property
    def scale_x(self) -> float:
        """Film pixels per map pixel, along columns."""
        ...

    @property
    def scale_y(self) -> float:
        """Film pixels per map pixel, along rows."""
        ...

    @property
    def offset_x(self) -> float:
        """Film column of the map's left edge."""
        ...

    @property
    def offset_y(self) -> float:
        """Film row of the map's upper edge."""
        ...


@dataclass(frozen=True, eq=False)
class PlacedMap:
    """A final map as it comes.

    Parameters
    ----------
    network, method, label : str
        Whose map it is.
    values : ndarray of float32, shape [S, S]
        On the grid of the network's input.
    affine : Placement
        From there to the film.
    """

    network: str
    method: str
    label: str
    values: FloatPlane
    affine: Placement


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence for a label, on the common grid.

    Parameters
    ----------
    network, method, label : str
        Whose it is. The network is empty for what is no network's, such as the average mask.
    values : ndarray of float32, shape [rows, columns]
        At least 0, on the film's `FilmGrid`.
    """

    network: str
    method: str
    label: str
    values: FloatPlane


def bring(placed: PlacedMap, grid: FilmGrid) -> Evidence:
    """Bring a map to the common grid, by the rules above.

    Parameters
    ----------
    placed : PlacedMap
        The map.
    grid : FilmGrid
        Of the film that the map's affine leads to.

    Returns
    -------
    Evidence
        NaN everywhere if any value of the map is no number (see `why_unusable`).
    """
    affine, (rows, columns) = placed.affine, grid.shape
    if not np.isfinite(placed.values).all():
        nothing = np.full(grid.shape, np.nan, dtype=np.float32)
        return Evidence(placed.network, placed.method, placed.label, nothing)
    height, width = placed.values.shape
    down = _weights(height, -affine.offset_y / affine.scale_y, (grid.height - affine.offset_y) / affine.scale_y, rows)
    right = _weights(width, -affine.offset_x / affine.scale_x, (grid.width - affine.offset_x) / affine.scale_x, columns)
    positive = np.maximum(placed.values.astype(np.float64), 0)
    # Back to float32: values that are equal on the map must be equal here, and not differ by rounding.
    values = (down @ positive @ right.T).astype(np.float32)
    return Evidence(placed.network, placed.method, placed.label, values)


def why_unusable(values: FloatPlane) -> str:
    """Say why nothing can be measured of evidence; empty where it can."""
    if not np.isfinite(values).all():
        return "the map has values that are no numbers"
    return "" if (values > 0).any() else "the map has no evidence for the label: nothing on the film is positive"


@lru_cache(maxsize=64)
def _weights(size: int, start: float, end: float, cells: int) -> NDArray[np.float64]:
    """Return how much of each pixel goes into each cell, ``[cells, size]``; the film spans pixels start to end."""
    points = max(1, math.ceil((end - start) / cells - _CLOSE))
    step = (end - start) / (cells * points)
    first = min(max(math.ceil(start - 0.5 - _CLOSE), 0), size - 1)
    last = max(min(math.floor(end - 0.5 + _CLOSE), size - 1), first)
    at = np.clip(start + (np.arange(cells * points) + 0.5) * step - 0.5, first, last)
    before = np.floor(at).astype(int)
    share = at - before
    weights = np.zeros((cells * points, size))
    rows = np.arange(len(at))
    np.add.at(weights, (rows, before), 1 - share)
    np.add.at(weights, (rows, np.minimum(before + 1, last)), share)
    mean = np.asarray(weights.reshape(cells, points, size).mean(axis=1))
    mean.flags.writeable = False
    return mean
