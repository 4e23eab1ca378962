"""Guessing removed pixels from those around them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import cg

__all__ = ["impute"]

_TOLERANCE = 1e-6
"""Of the solution's residual, relative to the right-hand side."""


def impute(planes: NDArray[np.float64], hidden: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give every hidden pixel the weighted mean of its eight neighbours, hidden ones included.

    Direct neighbours weigh 1/6 and diagonal ones 1/12, those outside the image nothing. That is one linear equation
    per hidden pixel; the system is symmetric and positive definite, and solved by conjugate gradients.

    Parameters
    ----------
    planes : ndarray of float64, shape [C, H, W]
        The image.
    hidden : ndarray of bool, shape [H, W]
        Which pixels are not known; at least one is.

    Returns
    -------
    ndarray of float64, shape [C, H, W]
        The image, hidden pixels guessed.
    """
    height, width = hidden.shape
    rows, columns = np.nonzero(hidden)
    unknown = len(rows)
    number = np.full(hidden.shape, -1)
    number[rows, columns] = np.arange(unknown)
    weights, right = np.zeros(unknown), np.zeros((len(planes), unknown))
    entries: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    for down, along in ((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)):
        weight = 1 / 12 if down and along else 1 / 6
        row, column = rows + down, columns + along
        inside = np.flatnonzero((row >= 0) & (row < height) & (column >= 0) & (column < width))
        row, column = row[inside], column[inside]
        weights[inside] += weight
        neighbour = number[row, column]
        seen = neighbour < 0
        right[:, inside[seen]] += weight * planes[:, row[seen], column[seen]]
        entries.append((inside[~seen], neighbour[~seen], np.full((~seen).sum(), -weight)))
    entries.append((np.arange(unknown), np.arange(unknown), weights))
    first, second, value = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    system = coo_matrix((value, (first, second)), shape=(unknown, unknown)).tocsr()
    scaling = diags(1 / weights)
    guessed = planes.copy()
    for plane, side in zip(guessed, right, strict=True):
        start = np.full(unknown, plane[~hidden].mean())
        plane[hidden], _ = cg(system, side, x0=start, rtol=_TOLERANCE, M=scaling)
    return guessed
