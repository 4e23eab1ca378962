"""F1 of baselines that call films positive, beside which the F1 of networks must be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ..comparisons import Comparison
from ..statistics.binary import Floats, counts, ratio
from ..statistics.resampling import Resampling
from ..statistics.score import Score
from ..tables import BaselineScore, Predictions
from .cut import BaselineCuts

__all__ = ["RuleScores", "rule_scores"]

RATES = ("not square", "source", "part of source", "view")
"""Baselines whose score is the share of positive training films, so that one half is the majority."""


class RuleScores(BaseModel):
    """How well one baseline names label sets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    predictor: str
    """Which baseline."""
    rule: Literal["best F1", "majority"]
    """What it calls positive: from the threshold with the best F1 on the validation films (as networks do), or where
    more than half of the training films are."""
    f1: dict[str, Score]
    """By label."""
    micro_f1: Score
    """Over all labels."""


def rule_scores(
    predictions: Predictions, baselines: Sequence[BaselineScore], cuts: BaselineCuts, resampling: Resampling
) -> tuple[RuleScores, ...]:
    """Score the baselines that were fitted for each label against the rest in all films.

    Parameters
    ----------
    predictions : Predictions
        For the films and what is known of them.
    baselines : sequence of BaselineScore
        Scores of the tested films.
    cuts : BaselineCuts
        Thresholds of the baselines.
    resampling : Resampling
        Of these predictions.

    Returns
    -------
    tuple of RuleScores
        For each baseline that has a score of every label and film: best F1, and majority where that means something.
    """
    truth = predictions.truth().astype(np.float64)
    labels = [label.name for label in predictions.head.labels]
    keys = list(zip(predictions.folds, (film.file for film in predictions.films), strict=True))
    names = [Comparison(label).name for label in labels]
    scores = {(one.comparison, one.predictor, one.fold, one.file): one.score for one in baselines}
    limits = {(cut.comparison, cut.predictor, cut.fold): cut.threshold for cut in cuts.cuts}
    result = []
    for predictor in dict.fromkeys(one.predictor for one in baselines):
        table = [[scores.get((name, predictor, *key), np.nan) for name in names] for key in keys]
        found = np.asarray(table, dtype=np.float64).reshape(truth.shape)
        if np.isnan(found[~np.isnan(truth)]).any():
            continue
        chosen = [[limits.get((name, predictor, fold), np.nan) for name in names] for fold, _ in keys]
        result.append(_score(predictor, "best F1", labels, truth, found >= np.asarray(chosen), resampling))
        if predictor in RATES:
            result.append(_score(predictor, "majority", labels, truth, found > 0.5, resampling))
    return tuple(result)


def _score(
    predictor: str,
    rule: Literal["best F1", "majority"],
    labels: Sequence[str],
    truth: Floats,
    called: NDArray[np.bool_],
    resampling: Resampling,
) -> RuleScores:
    films, columns = np.nonzero(~np.isnan(truth))
    questions = [(films, columns), *((films[columns == i], columns[columns == i]) for i in range(len(labels)))]

    def f1(weights: Floats) -> Floats:
        values = []
        for row, column in questions:
            cells = counts(weights[:, row], truth[row, column] == 1, called[row, column])
            values.append(ratio(2 * cells["tp"], 2 * cells["tp"] + cells["fp"] + cells["fn"]))
        return np.stack(values, axis=1)

    micro, *each = (resampling.score(values) for values in resampling.weigh(f1).T)
    return RuleScores(predictor=predictor, rule=rule, f1=dict(zip(labels, each, strict=True)), micro_f1=micro)
