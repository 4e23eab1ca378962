"""Metrics of one yes-or-no question under many weightings of the same films at once.

A bootstrap resample is a weighting: a film that was drawn twice weighs 2. scikit-learn computes the same numbers one
weighting at a time, which takes minutes for 2,000 resamples of every predictor and metric; these take seconds, and the
tests hold them to scikit-learn's values. Weights are float64 ``[K, films]``, results float64 ``[K]``; NaN where a
metric is not defined, such as a precision where nothing was called positive.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Counts", "auprc", "auroc", "brier", "counts", "ratio"]

Floats = NDArray[np.float64]
Counts = dict[str, Floats]
"""Weights of true and false positives and negatives: ``tp``, ``fp``, ``fn``, ``tn``."""


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def counts(weights: Floats, truth: NDArray[np.bool_], called: NDArray[np.bool_]) -> Counts:
    """Count right and wrong answers.

    Parameters
    ----------
    weights : ndarray of float64, shape [K, films]
        Weightings.
    truth, called : ndarray of bool, shape [films]
        What is true, and what the predictor says.

    Returns
    -------
    dict
        Summed weights by ``tp``, ``fp``, ``fn`` and ``tn``, each ``[K]``.
    """
    cells = np.stack([truth & called, ~truth & called, truth & ~called, ~truth & ~called], axis=1)
    summed = weights @ cells.astype(np.float64)
    return dict(zip(("tp", "fp", "fn", "tn"), summed.T, strict=True))


def _by_score(weights: Floats, truth: NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """Return the weights of positives and of negatives at each distinct score, ascending: ``[K, scores]`` twice."""
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    sorted_weights, sorted_truth = weights[:, order], truth[order].astype(np.float64)
    positive = sorted_weights * sorted_truth
    if len(starts) < len(scores):  # there are ties; summing costs more than all the rest
        positive, sorted_weights = (np.add.reduceat(part, starts, axis=1) for part in (positive, sorted_weights))
    return positive, sorted_weights - positive


def auroc(weights: Floats, truth: NDArray[np.bool_], scores: Floats) -> Floats:
    """Area under the ROC curve: the chance that a positive film scores above a negative one, ties counted half.

    Parameters
    ----------
    weights : ndarray of float64, shape [K, films]
        Weightings.
    truth : ndarray of bool, shape [films]
        What is true.
    scores : ndarray of float64, shape [films]
        The higher, the more likely positive.

    Returns
    -------
    ndarray of float64, shape [K]
        In [0, 1]; NaN where a class is missing.
    """
    if not len(scores):
        return np.full(len(weights), np.nan)
    positive, negative = _by_score(weights, truth, scores)
    below = np.cumsum(negative, axis=1) - negative / 2
    return ratio((positive * below).sum(axis=1), positive.sum(axis=1) * negative.sum(axis=1))


def auprc(weights: Floats, truth: NDArray[np.bool_], scores: Floats) -> Floats:
    """Area under the precision-recall curve as average precision (no interpolation between points).

    Parameters and result are those of `auroc`. A predictor that knows nothing scores the share of positive films.
    """
    if not len(scores):
        return np.full(len(weights), np.nan)
    positive, negative = (part[:, ::-1] for part in _by_score(weights, truth, scores))
    true = np.cumsum(positive, axis=1)
    precision = np.nan_to_num(ratio(true, true + np.cumsum(negative, axis=1)))
    total = positive.sum(axis=1)
    complete = (total > 0) & (negative.sum(axis=1) > 0)
    return np.where(complete, ratio((positive * precision).sum(axis=1), total), np.nan)


def brier(weights: Floats, truth: NDArray[np.bool_], probabilities: Floats) -> Floats:
    """Mean squared difference of probability and truth, in [0, 1]; 0 is best. `weights` and `truth` as in `auroc`."""
    return ratio(weights @ np.square(probabilities - truth), weights.sum(axis=1))
