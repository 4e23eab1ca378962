"""In which order a method does its work, so that any beginning of it stands for the whole."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["low_discrepancy_order", "stages"]


def low_discrepancy_order(*shape: int) -> NDArray[np.int64]:
    """Order the cells of a grid so that every beginning of the order is spread evenly over it.

    The cells are visited as Sobol's sequence meets them; in one dimension that is van der Corput's.

    Parameters
    ----------
    *shape : int
        Cells along each axis, each at least 1.

    Returns
    -------
    ndarray of int64, shape [cells, axes]
        Every cell once; the middle one first.
    """
    cells = prod(shape)
    sobol = torch.quasirandom.SobolEngine(len(shape))  # type: ignore[no-untyped-call]
    sobol.draw()  # Its first point is the corner.
    found: dict[int, None] = {}
    sides = torch.tensor(shape, dtype=torch.float64)
    # Any 2^m points hit each of the 2^m boxes of an elementary grid once; twice as fine a grid along every axis has a
    # box inside each of our cells, so this ends.
    while len(found) < cells:
        points = (sobol.draw(max(64, cells), dtype=torch.float64) * sides).long().numpy()
        found.update(dict.fromkeys(np.ravel_multi_index(tuple(points.T), shape).tolist()))
    return np.stack(np.unravel_index(np.fromiter(found, dtype=np.int64), shape), axis=-1)


def stages(total: int, batch: int, *, partial: bool = True) -> Iterator[tuple[slice, bool]]:
    """Cut work into batches, and say after which of them a partial map is due.

    The first is due after a tenth of the work or eight units of it, whichever is less, so that it comes soon however
    long the whole takes; then whenever the work has grown by half, and at least after every further tenth.

    Parameters
    ----------
    total : int
        Units of work.
    batch : int
        Most units at once.
    partial : bool
        Whether there is to be any (`Job.wants_partial`); where not, no batch is cut short for one.

    Yields
    ------
    slice
        The units of this batch.
    bool
        Whether a partial map is due after it; never after the last.
    """
    done = 0
    due = max(1, min(8, total // 10)) if partial else total
    while done < total:
        end = min(done + batch, due, total)
        now = end == due and end < total
        yield slice(done, end), now
        done = end
        if now:
            due = done + max(1, min(done // 2, total // 10))
