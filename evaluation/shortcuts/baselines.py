"""What predictors that know no medicine score, each fitted on exactly the films that a comparison allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...datasets import Film
from ..comparisons import Comparison
from ..folds import Fold
from ..progress import Progress, silent
from ..tables import BaselineScore
from .audit import AuditNotes, Omission
from .cut import BaselineCuts, Cut, best_cut
from .errors import NotApplicable
from .glance import Glance
from .predictor import Predictor
from .predictors import PREDICTORS

__all__ = ["Baselines", "measure_baselines"]


@dataclass(frozen=True)
class Baselines:
    """Scores of all predictors.

    Parameters
    ----------
    scores : tuple of BaselineScore
        One for each comparison, fold, predictor and tested film that takes part.
    cuts : tuple of Cut
        Their thresholds.
    omissions : tuple of Omission
        What is missing, and why.
    """

    scores: tuple[BaselineScore, ...]
    cuts: tuple[Cut, ...]
    omissions: tuple[Omission, ...]

    def notes(self, refusals: Mapping[str, str] | None = None) -> AuditNotes:
        """Return what is stored of it beside the scores; `refusals` are of the source classifiers."""
        return AuditNotes(cuts=BaselineCuts(cuts=self.cuts), omissions=self.omissions, refusals=dict(refusals or {}))


def measure_baselines(
    folds: Sequence[Fold],
    comparisons: Sequence[Comparison],
    glances: Mapping[str, Glance],
    progress: Progress = silent,
    *,
    predictors: Sequence[Predictor] = PREDICTORS,
) -> Baselines:
    """Fit every predictor for every comparison on the training films of each fold, and score the tested ones.

    A predictor that was fitted on other films than a comparison has, would be weaker than it needs to be, and what is
    compared with it would look better than it is. So NIH pneumonia against NIH without finding is fitted on NIH alone.

    Parameters
    ----------
    folds : sequence of Fold
        What is fitted on, and what is tested.
    comparisons : sequence of Comparison
        Which films against which.
    glances : mapping of str to Glance
        Of all films of the folds, by file.
    progress : callable
        Told how many fits are done.
    predictors : sequence of Predictor
        Which; by default all.

    Returns
    -------
    Baselines
        The scores, and what could not be had.
    """
    scores: list[BaselineScore] = []
    cuts: list[Cut] = []
    omissions: list[Omission] = []
    total, done = len(folds) * len(comparisons) * len(predictors), 0
    for fold in folds:
        for comparison in comparisons:
            parts = [_taking_part(comparison, films, glances) for films in (fold.train, fold.validation, fold.tested)]
            for predictor in predictors:
                key = (comparison.name, predictor.name, fold.name)
                try:
                    cut, found = _fit(predictor, *parts)
                except NotApplicable as reason:
                    omissions.append(Omission(comparison=key[0], predictor=key[1], fold=key[2], reason=str(reason)))
                else:
                    cuts.append(Cut(comparison=key[0], predictor=key[1], fold=key[2], threshold=cut))
                    scores.extend(BaselineScore(*key, glance.film.file, score) for glance, score in found)
                done += 1
                progress("baselines", done, total)
    return Baselines(tuple(scores), tuple(cuts), tuple(omissions))


_Part = tuple[list[Glance], NDArray[np.bool_]]


def _taking_part(comparison: Comparison, films: Sequence[Film], glances: Mapping[str, Glance]) -> _Part:
    truth = comparison.truth(films)
    known = np.isfinite(truth)
    return [glances[film.file] for film, here in zip(films, known, strict=True) if here], truth[known] > 0.5


def _fit(
    predictor: Predictor, train: _Part, validation: _Part, tested: _Part
) -> tuple[float, list[tuple[Glance, float]]]:
    """Return the threshold, and the tested films with their scores."""
    films, truth = train
    if not truth.any() or truth.all():
        raise NotApplicable("the training films of this comparison are all of one class")
    score = predictor.fit(films, truth)
    chosen_on, known = validation if validation[1].any() and not validation[1].all() else train
    cut = best_cut(score(chosen_on), known)
    return cut, list(zip(tested[0], score(tested[0]).tolist(), strict=True)) if tested[0] else []
