"""Predictors against baselines that know no medicine, on the same films."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ..datasets import Film
from .comparisons import Comparison
from .statistics.binary import Floats, auroc
from .statistics.predictors import MEAN, Predictor, predictors_of
from .statistics.resampling import Resampling, resampling_of
from .statistics.score import Score
from .tables import BaselineScore, Predictions

__all__ = ["MINIMUM_PATIENTS", "ComparisonResult", "Side", "compare", "sides_of"]

MINIMUM_PATIENTS = 30
"""Patients on either side below which a comparison is not estimable."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Side(_Record):
    """The positive or the negative films of a comparison."""

    films: int
    """X-rays; one that overlapping draws test several times counts once."""
    patients: int
    """Groups of patients that they come from."""


class ComparisonResult(_Record):
    """AUROC of every predictor and every baseline on the same films."""

    name: str
    """Of the `Comparison`."""
    positive_label: str
    """The label that the positive films have."""
    negative_label: str | None
    """The label of the negative films; None: all films without the positive one."""
    source: str
    """Only films of this source; empty: of all."""
    view: str
    """Only films of this view; empty: of all."""
    positive: Side
    """Films with the label."""
    negative: Side
    """Films without."""
    estimable: bool
    """Whether both sides have at least `MINIMUM_PATIENTS` patients."""
    auroc: dict[str, Score]
    """By predictor: the networks, then ``majority vote`` (share of votes) and ``mean probability``."""
    baselines: dict[str, Score]
    """AUROC by baseline; empty: none was measured."""
    left_out: dict[str, int]
    """Baselines that lack a score for so many of the films, and are not compared."""
    best_baseline: str | None
    """The one with the highest AUROC on these films; None: no baseline."""
    differences: dict[str, Score]
    """AUROC minus that of the best baseline, paired, by predictor. Of one training or disjoint folds, the best baseline
    of each resample: which one is the best is luck too."""

    @property
    def is_pooled(self) -> bool:
        """Whether films of all sources and views are thrown together."""
        return not self.source and not self.view

    @property
    def difference(self) -> Score | None:
        """Mean probability minus best baseline; None: no baseline."""
        return self.differences.get(MEAN)


def sides_of(films: Sequence[Film], truth: NDArray[np.floating[Any]]) -> tuple[Side, Side]:
    """Count the films and patients with ``truth`` 1 and with 0."""
    sides = []
    for value in (1, 0):
        chosen = [film for film, known in zip(films, truth, strict=True) if known == value]
        sides.append(Side(films=len({f.file for f in chosen}), patients=len({f.group for f in chosen})))
    return sides[0], sides[1]


def compare(
    predictions: Predictions,
    baselines: Sequence[BaselineScore],
    comparison: Comparison,
    resampling: Resampling | None = None,
    predictors: Sequence[Predictor] | None = None,
) -> ComparisonResult:
    """Compare predictors with baselines on the films of a comparison.

    Parameters
    ----------
    predictions : Predictions
        Of the networks.
    baselines : sequence of BaselineScore
        Those of other comparisons are ignored.
    comparison : Comparison
        Which films.
    resampling : Resampling, optional
        By default 2,000 resamples with seed 0.
    predictors : sequence of Predictor, optional
        Of the predictions, where they are there already.

    Returns
    -------
    ComparisonResult
        With an empty set of baselines where none was measured. Where it is not estimable, numbers are None, but for a
        comparison of all films: there they are given, and `estimable` says that they cannot be read.
    """
    resampling = resampling_of(predictions) if resampling is None else resampling
    predictors = predictors_of(predictions) if predictors is None else predictors
    known = comparison.truth(predictions.films)
    rows = np.flatnonzero(~np.isnan(known))
    positive, negative = sides_of(predictions.films, known)
    estimable = min(positive.patients, negative.patients) >= MINIMUM_PATIENTS
    label = [item.name for item in predictions.head.labels].index(comparison.positive)
    measured, left_out = _scores_of(predictions, baselines, comparison, rows)
    everything = {item.name: item.scores[rows, label] for item in predictors} | measured
    pooled = not comparison.source and not comparison.view
    if (not estimable and not pooled) or not (positive.films and negative.films):
        values = {}
    else:
        truth = known[rows] == 1
        table = resampling.weigh(
            lambda weights: np.stack([auroc(weights[:, rows], truth, s) for s in everything.values()], axis=1)
        )
        values = dict(zip(everything, table.T, strict=True))
    scores = {name: resampling.score(values[name]) if values else Score(value=None) for name in everything}
    ranked = [name for name in measured if scores[name].value is not None]
    best = max(ranked, key=lambda name: scores[name].value or 0.0, default=None)
    # Which baseline is the best is luck too: in each resample it is the best there. That is never easier to beat.
    against = values[best] if best and resampling.plan == "draws" else _best_of([values[name] for name in ranked])
    names = [item.name for item in predictors]
    return ComparisonResult(
        name=comparison.name,
        positive_label=comparison.positive,
        negative_label=comparison.negative,
        source=comparison.source,
        view=comparison.view,
        positive=positive,
        negative=negative,
        estimable=estimable,
        auroc={name: scores[name] for name in names},
        baselines={name: scores[name] for name in measured},
        left_out=left_out,
        best_baseline=best,
        differences={} if best is None else {name: resampling.score(values[name] - against) for name in names},
    )


def _best_of(values: Sequence[Floats]) -> Floats:
    return np.max(np.stack(values), axis=0) if values else np.zeros(0)


def _scores_of(
    predictions: Predictions, baselines: Sequence[BaselineScore], comparison: Comparison, rows: NDArray[np.intp]
) -> tuple[dict[str, Floats], dict[str, int]]:
    """Return the baselines' scores ``[rows]`` by predictor, and how many films those lack that are left out."""
    by_predictor: dict[str, dict[tuple[str, str], float]] = {}
    for item in baselines:
        if item.comparison == comparison.name:
            by_predictor.setdefault(item.predictor, {})[item.fold, item.file] = item.score
    keys = [(predictions.folds[row], predictions.films[row].file) for row in rows]
    measured, left_out = {}, {}
    for name, scores in by_predictor.items():
        if lacking := sum(key not in scores for key in keys):
            left_out[name] = lacking
        else:
            measured[name] = np.asarray([scores[key] for key in keys], dtype=np.float64)
    return measured, left_out
