"""Ridge regression on 16 x 16 pixels: too coarse to show a finding, fine enough to show where a film comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from threadpoolctl import threadpool_limits

from .glance import SIDE, Glance
from .predictor import Scorer

__all__ = ["RIDGE_ALPHAS", "Thumbnail", "outer_ring"]

RIDGE_ALPHAS = np.logspace(-1, 4, 11)
"""Strengths of regularisation; leave-one-out on the training films chooses."""


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """Score films by ridge regression on the pixels of a thumbnail.

    Parameters
    ----------
    name : str
        As tables call it.
    picture : callable
        Which thumbnail: float32 ``[SIDE, SIDE]``.
    visible : ndarray of bool, shape [SIDE, SIDE], optional
        The pixels that are looked at; by default all.
    """

    name: str
    picture: Callable[[Glance], NDArray[np.float32]]
    visible: NDArray[np.bool_] | None = None

    def fit(self, films: Sequence[Glance], truth: NDArray[np.bool_]) -> Scorer:
        """Fit the regression."""
        with threadpool_limits(1):  # threads of the matrix library cost more here than they save
            ridge = RidgeCV(alphas=RIDGE_ALPHAS).fit(self._pixels(films), truth.astype(np.float64))

        def score(others: Sequence[Glance]) -> NDArray[np.float64]:
            return np.asarray(ridge.predict(self._pixels(others)), dtype=np.float64).reshape(len(others))

        return score

    def _pixels(self, films: Sequence[Glance]) -> NDArray[np.float64]:
        visible = np.ones((SIDE, SIDE), dtype=bool) if self.visible is None else self.visible
        return np.asarray([self.picture(film)[visible] for film in films], dtype=np.float64)


def outer_ring(width: int = 2) -> NDArray[np.bool_]:
    """Return the outermost pixels of a thumbnail, bool ``[SIDE, SIDE]``."""
    ring = np.ones((SIDE, SIDE), dtype=bool)
    ring[width : SIDE - width, width : SIDE - width] = False
    return ring
