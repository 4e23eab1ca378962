"""Predictors that look at one word that the manifest says of a film, such as its source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import NotApplicable
from .glance import Glance
from .predictor import Scorer

__all__ = ["Category"]


@dataclass(frozen=True)
class Category:
    """Score films by how many training films with the same word are positive.

    Rates are drawn to the overall one by one film's weight, so that a word of few films is not taken for certain; a
    word that no training film has scores the overall rate.

    Parameters
    ----------
    name : str
        As tables call it.
    word : callable
        What is known of a film; empty where nothing is, which counts as a word of its own.
    """

    name: str
    word: Callable[[Glance], str]

    def fit(self, films: Sequence[Glance], truth: NDArray[np.bool_]) -> Scorer:
        """Count positive films by word.

        Raises
        ------
        NotApplicable
            If it is the same for all films.
        """
        all_films = Counter(self.word(film) for film in films)
        if len(all_films) == 1:
            raise NotApplicable("it is the same for all training films")
        positive = Counter(self.word(film) for film, yes in zip(films, truth, strict=True) if yes)
        overall = float(truth.mean())
        rates = {word: (positive[word] + overall) / (count + 1) for word, count in all_films.items()}
        return lambda others: np.asarray([rates.get(self.word(film), overall) for film in others])
