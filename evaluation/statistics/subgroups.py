"""Scores within a source, a view, a sex and a band of ages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ...datasets import Film
from ..comparing import MINIMUM_PATIENTS, Side, sides_of
from ..tables import Predictions
from .binary import Floats, auroc, counts, ratio
from .predictors import Predictor
from .resampling import Resampling
from .score import Score

__all__ = ["AGE_BANDS", "Subgroup", "age_band", "subgroups"]

AGE_BANDS = ((0, 18), (18, 40), (40, 60), (60, 80), (80, 200))
"""Years, from the first number up to but without the second."""


class Subgroup(BaseModel):
    """How predictors do on one label within a part of the films."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    by: str
    """``source``, ``view``, ``sex`` or ``age``."""
    value: str
    """Which part; empty: not known."""
    label: str
    """Which label."""
    positive: Side
    """Films with the label."""
    negative: Side
    """Films without."""
    estimable: bool
    """Whether both sides have at least 30 patients; else there are no numbers."""
    auroc: dict[str, Score]
    """By predictor."""
    recall: dict[str, Score]
    """By predictor."""
    specificity: dict[str, Score]
    """By predictor."""
    best_baseline: str | None
    """The baseline, fitted for this label on all data, with the highest AUROC within this part."""
    baseline_auroc: Score | None
    """Its AUROC; None: none was measured."""


def age_band(age: float | None) -> str:
    """Name the band of an age: ``40-59`` years; empty where it is not known."""
    for low, high in AGE_BANDS:
        if age is not None and low <= age < high:
            return f"{low}-{high - 1}" if high < 200 else f"{low} and over"
    return ""


_PARTS: Mapping[str, Callable[[Film], str]] = {
    "source": lambda film: film.main_source,
    "view": lambda film: film.view,
    "sex": lambda film: film.sex,
    "age": lambda film: age_band(film.age),
}


def subgroups(
    predictions: Predictions,
    predictors: Sequence[Predictor],
    baselines: Mapping[str, Mapping[str, Floats]],
    resampling: Resampling,
) -> tuple[Subgroup, ...]:
    """Score every label within every part of the films.

    Parameters
    ----------
    predictions : Predictions
        The films.
    predictors : sequence of Predictor
        What to score.
    baselines : mapping
        By label, then by baseline: scores ``[films]`` of all films.
    resampling : Resampling
        The weightings, the same as everywhere.

    Returns
    -------
    tuple of Subgroup
        By source, view, sex and age, then by label; those without numbers too.
    """
    truth = predictions.truth()
    result = []
    for by, part_of in _PARTS.items():
        parts = np.asarray([part_of(film) for film in predictions.films])
        order = sorted(set(parts), key=_order) if by == "age" else sorted(set(parts))
        for value in order:
            for index, label in enumerate(predictions.head.labels):
                known = np.where(parts == value, truth[:, index], np.nan)
                result.append(
                    _subgroup(
                        (by, str(value), label.name),
                        predictions.films,
                        known,
                        {item.name: (item.scores[:, index], item.called[:, index]) for item in predictors},
                        baselines.get(label.name, {}),
                        resampling,
                    )
                )
    return tuple(result)


def _order(band: str) -> float:
    return float(band.split("-")[0].split(" ")[0]) if band else np.inf


def _subgroup(
    names: tuple[str, str, str],
    films: Sequence[Film],
    known: Floats,
    predictors: Mapping[str, tuple[Floats, NDArray[np.bool_]]],
    baselines: Mapping[str, Floats],
    resampling: Resampling,
) -> Subgroup:
    positive, negative = sides_of(films, known)
    estimable = min(positive.patients, negative.patients) >= MINIMUM_PATIENTS
    rows = np.flatnonzero(~np.isnan(known)) if estimable else np.empty(0, dtype=np.intp)
    truth = known[rows] == 1
    found: dict[str, dict[str, Score]] = {"auroc": {}, "recall": {}, "specificity": {}}
    baseline: dict[str, Score] = {}
    for name, (scores, called) in predictors.items() if estimable else ():
        values = resampling.weigh(partial(_three, rows, truth, scores[rows], called[rows]))
        for metric, column in zip(found, values.T, strict=True):
            found[metric][name] = resampling.score(column)
    for name, scores in baselines.items() if estimable else ():
        baseline[name] = resampling.score(resampling.weigh(partial(_auroc, rows, truth, scores[rows])))
    best = max(baseline, key=lambda name: baseline[name].value or 0.0, default=None)
    by, value, label = names
    return Subgroup(
        by=by,
        value=value,
        label=label,
        positive=positive,
        negative=negative,
        estimable=estimable,
        best_baseline=best,
        baseline_auroc=None if best is None else baseline[best],
        **found,
    )


def _auroc(rows: NDArray[np.intp], truth: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    return auroc(weights[:, rows], truth, scores)


def _three(
    rows: NDArray[np.intp], truth: NDArray[np.bool_], scores: Floats, called: NDArray[np.bool_], weights: Floats
) -> Floats:
    """Return AUROC, recall and specificity, ``[K, 3]``."""
    cells = counts(weights[:, rows], truth, called)
    recall = ratio(cells["tp"], cells["tp"] + cells["fn"])
    specificity = ratio(cells["tn"], cells["tn"] + cells["fp"])
    return np.stack([auroc(weights[:, rows], truth, scores), recall, specificity], axis=1)
