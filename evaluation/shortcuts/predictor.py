"""What a predictor that knows no medicine must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .glance import Glance

__all__ = ["Predictor", "Scorer"]

Scorer: TypeAlias = Callable[[Sequence[Glance]], NDArray[np.float64]]
"""Scores films, float64 ``[films]``: the higher, the more likely positive."""


class Predictor(Protocol):
    """A way to tell positive from negative films that knows no medicine."""

    @property
    def name(self) -> str:
        """As tables call it."""

    def fit(self, films: Sequence[Glance], truth: NDArray[np.bool_]) -> Scorer:
        """Learn from training films; nothing of the tested ones is known.

        Parameters
        ----------
        films : sequence of Glance
            Training films.
        truth : ndarray of bool, shape [films]
            Which of them are positive. Both kinds occur.

        Returns
        -------
        callable
            Scores any films.

        Raises
        ------
        NotApplicable
            If these films do not have what it looks at.
        """
