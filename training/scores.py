"""Scores of multilabel predictions, and the thresholds that make predictions of probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, precision_recall_fscore_support

from ..handlers.card import Label
from ..handlers.vote import vote

__all__ = ["choose_thresholds", "majority", "score"]

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def choose_thresholds(probabilities: Floats, truth: Bools) -> tuple[float, ...]:
    """Choose each label's threshold so that its F1 on a validation split is largest.

    Parameters
    ----------
    probabilities : ndarray of float32, shape [films, labels]
        In [0, 1].
    truth : ndarray of bool, shape [films, labels]
        True labels.

    Returns
    -------
    tuple of float
        In [.02, .98]; of equally good ones the one nearest to .5. A label that the split does not have gets .5.
    """
    grid = np.linspace(0.02, 0.98, 97)
    chosen = []
    for scores, answer in zip(probabilities.T, truth.T, strict=True):
        if not answer.any():
            chosen.append(0.5)
            continue
        f1 = np.array([f1_score(answer, scores >= threshold, zero_division=0.0) for threshold in grid])
        best = grid[f1 >= f1.max() - 1e-9]
        chosen.append(round(float(best[np.abs(best - 0.5).argmin()]), 2))
    return tuple(chosen)


def score(predicted: Bools, truth: Bools, names: Sequence[str]) -> dict[str, float]:
    """Return micro and macro precision, recall and F1, and each label's F1; all in [0, 1]."""
    result: dict[str, float] = {}
    for average in ("micro", "macro"):
        precision, recall, f1, _ = precision_recall_fscore_support(truth, predicted, average=average, zero_division=0.0)
        result |= {f"{average}_precision": precision, f"{average}_recall": recall, f"{average}_f1": f1}
    each = f1_score(truth, predicted, average=None, zero_division=0.0)
    result |= {f"f1 {name}": value for name, value in zip(names, each, strict=True)}
    return {name: round(float(value), 4) for name, value in result.items()}


def majority(probabilities: Floats, thresholds: Sequence[Sequence[float]], labels: Sequence[Label]) -> Bools:
    """Return the majority label set of each film, as it is served.

    Parameters
    ----------
    probabilities : ndarray of float32, shape [networks, films, labels]
        In [0, 1].
    thresholds : sequence, [networks][labels]
        Of each network.
    labels : sequence of Label
        For their hierarchy.
    """
    limits = np.asarray(thresholds, dtype=np.float32)
    return np.stack([vote(film, limits, labels).majority for film in probabilities.swapaxes(0, 1)])
