"""What networks still know when the lungs are hidden."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ..comparing import ComparisonResult
from ..comparisons import Comparison
from ..statistics.binary import Floats, auroc
from ..statistics.predictors import predictors_of
from ..statistics.resampling import Resampling
from ..statistics.score import Score
from ..tables import Predictions

__all__ = ["CentreHidden", "centre_hidden"]


class CentreHidden(BaseModel):
    """Networks on films whose centre is hidden, beside the same networks on whole films."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    comparison: str
    """Which films against which."""
    auroc: dict[str, Score]
    """By predictor: with the centre hidden. Above .5, the edges of the film give the answer away."""
    lost: dict[str, Score]
    """By predictor: AUROC on whole films minus that with the centre hidden, paired."""


def centre_hidden(
    whole: Predictions, hidden: Predictions, results: Sequence[ComparisonResult], resampling: Resampling
) -> tuple[CentreHidden, ...]:
    """Compare networks on whole films with the same networks on films whose centre is hidden.

    Networks have never seen such films, so what they lose is not only what lungs tell; what they keep is.

    Parameters
    ----------
    whole, hidden : Predictions
        Of the same films in the same order.
    results : sequence of ComparisonResult
        Those that are estimable, or of all films, are made.
    resampling : Resampling
        Of these predictions.
    """
    if (whole.folds, [film.file for film in whole.films]) != (hidden.folds, [film.file for film in hidden.films]):
        raise ValueError("the films are not the same")
    pairs = list(zip(predictors_of(whole), predictors_of(hidden), strict=True))
    labels = [label.name for label in whole.head.labels]
    found = []
    for result in results:
        if not (result.estimable or result.is_pooled) or not (result.positive.films and result.negative.films):
            continue
        comparison = Comparison(result.positive_label, result.negative_label, result.source, result.view)
        known = comparison.truth(whole.films)
        rows, label = np.flatnonzero(~np.isnan(known)), labels.index(result.positive_label)
        kept, lost = {}, {}
        for seen, blind in pairs:
            scores = (seen.scores[rows, label], blind.scores[rows, label])
            before, after = resampling.weigh(partial(_both, rows, known[rows] == 1, scores)).T
            kept[seen.name], lost[seen.name] = resampling.score(after), resampling.score(before - after)
        found.append(CentreHidden(comparison=result.name, auroc=kept, lost=lost))
    return tuple(found)


def _both(rows: NDArray[np.intp], truth: NDArray[np.bool_], scores: tuple[Floats, Floats], weights: Floats) -> Floats:
    return np.stack([auroc(weights[:, rows], truth, one) for one in scores], axis=1)
