"""In which order windows are tried, so that those tried first tell most of the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["window_order"]

_STEPS = (0.7548776662466927, 0.5698402909980532)
"""Of the additive recurrence: 1 / p and 1 / p^2 with p^3 = p + 1."""
_MARGIN = 0.05
"""Share of the grid's sides by which points may miss the grid; they fall on its border then."""
_POINTS_PER_CELL = 32


def window_order(rows: int, columns: int) -> NDArray[np.int64]:
    """Order the cells of a grid so that every beginning is spread over it with gaps of about one width.

    The corners come first, then the cells as an additive recurrence meets them (Roberts: The Unreasonable Effectiveness
    of Quasirandom Sequences, 2018). Its points keep their distance better than Sobol's. They never lie in step with
    the strides of a network, as the points of a regular grid do: there, an effect that repeats with the network's
    stride is taken for one that is everywhere. The border gets more than its share of cells, because pixels near it
    are covered by few windows, and nothing beyond it helps to guess between them.

    Parameters
    ----------
    rows, columns : int
        Of the grid, each at least 1.

    Returns
    -------
    ndarray of int64, shape [rows * columns, 2]
        Every cell once.
    """
    shape = np.array([rows, columns])
    numbers = np.arange(1, 1 + _POINTS_PER_CELL * rows * columns)[:, None]
    points = (0.5 + numbers * np.array(_STEPS)) % 1
    margin = _MARGIN * shape
    met = np.clip(np.floor(points * (shape + 2 * margin) - margin), 0, shape - 1).astype(np.int64)
    corners = np.array([(0, 0), (0, columns - 1), (rows - 1, 0), (rows - 1, columns - 1)])
    # What the points have not met comes last, so that every cell is there for certain.
    rest = np.stack(np.unravel_index(np.arange(rows * columns), (rows, columns)), axis=-1)
    cells = np.concatenate([corners, met, rest])
    _, first = np.unique(cells[:, 0] * columns + cells[:, 1], return_index=True)
    ordered: NDArray[np.int64] = cells[np.sort(first)]
    return ordered
