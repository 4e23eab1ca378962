"""Predictors that look at one number of a film, such as its mean brightness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from .glance import Glance
from .predictor import Scorer

__all__ = ["OneNumber", "brightness", "distance_from_square"]


@dataclass(frozen=True)
class OneNumber:
    """Score films by a number; the training films tell whether large or small ones are positive.

    Parameters
    ----------
    name : str
        As tables call it.
    value : callable
        The number of a film.
    """

    name: str
    value: Callable[[Glance], float]

    def fit(self, films: Sequence[Glance], truth: NDArray[np.bool_]) -> Scorer:
        """Learn the direction."""
        direction = 1.0 if roc_auc_score(truth, self._values(films)) >= 0.5 else -1.0
        return lambda others: direction * self._values(others)

    def _values(self, films: Sequence[Glance]) -> NDArray[np.float64]:
        return np.asarray([self.value(film) for film in films], dtype=np.float64)


def brightness(film: Glance) -> float:
    """Return the mean brightness of the central square, 0 to 1."""
    return film.brightness


def distance_from_square(film: Glance) -> float:
    """Return how far the original is from square: ``|log(width / height)|``, 0 for a square."""
    height, width = film.shape
    return float(abs(np.log(width / height)))
