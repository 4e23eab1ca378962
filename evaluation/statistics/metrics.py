"""All metrics of a predictor: per label, micro and macro."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .binary import Counts, Floats, auprc, auroc, brier, counts, ratio
from .predictors import Predictor
from .reliability import calibration_error
from .resampling import Resampling

__all__ = ["CALIBRATION", "RANKING", "SETS", "metric_values"]

SETS = ("precision", "recall", "specificity", "f1")
"""Of label sets."""
RANKING = ("auroc", "auprc")
"""Of how films are ranked, whatever the threshold."""
CALIBRATION = ("brier", "ece")
"""Of probabilities; the majority vote has none."""


def metric_values(
    predictor: Predictor,
    truth: NDArray[np.floating[Any]],
    labels: Sequence[str],
    resampling: Resampling,
    per_patient: bool = False,
) -> dict[str, Floats]:
    """Compute a predictor's metrics under every weighting.

    Parameters
    ----------
    predictor : Predictor
        What to score.
    truth : ndarray of float, shape [films, labels]
        0, 1 or NaN for unknown: such a film does not count for the label.
    labels : sequence of str
        Names of the labels.
    resampling : Resampling
        The weightings.
    per_patient : bool
        Whether each patient counts once.

    Returns
    -------
    dict
        Values ``[K]`` by the name of the metric. Micro averages throw all known film-label pairs into one question;
        macro averages are the mean over labels, NaN where one label has no value.
    """
    known = ~np.isnan(truth)
    rows = [np.flatnonzero(known[:, label]) for label in range(len(labels))]
    films, columns = np.nonzero(known)
    questions = [(films, columns), *((row, np.full(len(row), label)) for label, row in enumerate(rows))]
    kinds = _kinds(predictor)

    def under(weights: Floats) -> Floats:
        return np.stack(
            [_values(weights[:, film], truth[film, label] == 1, predictor, film, label) for film, label in questions],
            axis=1,
        )

    values = resampling.weigh(under, per_patient)
    result = {f"micro_{kind}": values[:, 0, index] for index, kind in enumerate(kinds)}
    result |= {f"macro_{kind}": values[:, 1:, index].mean(axis=1) for index, kind in enumerate(kinds)}
    for number, label in enumerate(labels, start=1):
        result |= {f"{kind} {label}": values[:, number, index] for index, kind in enumerate(kinds)}
    return result


def _kinds(predictor: Predictor) -> tuple[str, ...]:
    return SETS + RANKING + (CALIBRATION if predictor.is_probability else ())


def _values(
    weights: Floats,
    truth: NDArray[np.bool_],
    predictor: Predictor,
    films: NDArray[np.intp],
    labels: NDArray[np.intp],
) -> Floats:
    """Return the metrics of one question, ``[K, kinds]``."""
    scores = predictor.scores[films, labels]
    values = [*_of_sets(counts(weights, truth, predictor.called[films, labels]))]
    values += [auroc(weights, truth, scores), auprc(weights, truth, scores)]
    if predictor.is_probability:
        values += [brier(weights, truth, scores), calibration_error(weights, truth, scores)]
    return np.stack(values, axis=1)


def _of_sets(cells: Counts) -> tuple[Floats, Floats, Floats, Floats]:
    tp, fp, fn, tn = cells["tp"], cells["fp"], cells["fn"], cells["tn"]
    return ratio(tp, tp + fp), ratio(tp, tp + fn), ratio(tn, tn + fp), ratio(2 * tp, 2 * tp + fp + fn)
