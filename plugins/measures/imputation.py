"""Guessing removed pixels from those around them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, cg

from .multigrid import HiddenPixels

__all__ = ["impute"]

_TOLERANCE = 1e-6
"""Of the solution's residual, relative to the right-hand side."""


def impute(planes: NDArray[np.float64], hidden: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give every hidden pixel the weighted mean of its eight neighbours, hidden ones included.

    Direct neighbours weigh 1/6 and diagonal ones 1/12, those outside the image nothing. That is one linear equation
    per hidden pixel; the system is symmetric and positive definite, and solved by conjugate gradients, preconditioned
    by a multigrid cycle: without it, their number grows with the width of what is hidden.

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
    width = hidden.shape[1]
    # Single precision is enough for what only leads the way.
    system, guide = HiddenPixels(hidden), HiddenPixels(hidden, np.float32)
    shape = system.mask.shape
    out = np.empty(shape)

    def apply(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return system.apply(values.reshape(shape), out).reshape(-1)

    def correct(values: NDArray[np.float64]) -> NDArray[np.float64]:
        # Scaled, since residuals become smaller than single precision can tell from nothing.
        scale = float(np.abs(values).max()) or 1.0
        return guide.correct((values / scale).astype(np.float32).reshape(shape)).reshape(-1) * np.float64(scale)

    size = (out.size, out.size)
    operator = LinearOperator(size, matvec=apply, dtype=np.float64)
    preconditioner = LinearOperator(size, matvec=correct, dtype=np.float64)
    guessed = planes.copy()
    for plane in guessed:
        known = np.zeros(shape)
        known[:, :width][~hidden] = plane[~hidden]
        right = system.neighbours(known)
        start = system.mask * plane[~hidden].mean()
        found, _ = cg(operator, right.reshape(-1), x0=start.reshape(-1), rtol=_TOLERANCE, M=preconditioner)
        plane[hidden] = found.reshape(shape)[:, :width][hidden]
    return guessed
