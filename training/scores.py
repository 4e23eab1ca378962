"""Quick scores of multilabel predictions: films of which a label is not known take no part in that label's score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from ..handlers.card import Label
from ..handlers.vote import vote

__all__ = ["aurocs", "majority", "mean_auroc", "score"]

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def score(predicted: Bools, targets: Floats, names: Sequence[str], ranking: Floats | None = None) -> dict[str, float]:
    """Return micro and macro precision, recall and F1, and each label's F1; all in [0, 1].

    A label that no film is known to have has no F1 and takes no part in the macro means.

    Parameters
    ----------
    predicted : ndarray of bool, shape [films, labels]
        Predicted labels.
    targets : ndarray of float32, shape [films, labels]
        0, 1, and NaN for unknown.
    names : sequence of str
        Of the labels.
    ranking : ndarray of float32, shape [films, labels], optional
        Logits or probabilities: adds ``macro_auroc`` and each label's AUROC, as far as both sides are there.
    """
    known = ~np.isnan(targets)
    truth = targets == 1
    columns = zip(truth.T, predicted.T, known.T, strict=True)
    each = np.array([_precision_recall_f1(t[k], p[k]) for t, p, k in columns])
    micro = _precision_recall_f1(truth[known], predicted[known])
    kinds = ("precision", "recall", "f1")
    result = {f"micro_{kind}": value for kind, value in zip(kinds, micro, strict=True)}
    there = truth.any(axis=0)
    if there.any():
        result |= {f"macro_{kind}": value for kind, value in zip(kinds, each[there].mean(axis=0), strict=True)}
    result |= {f"f1 {name}": value for name, value, has in zip(names, each[:, 2], there, strict=True) if has}
    if ranking is not None:
        found = aurocs(ranking, targets)
        if (mean := mean_auroc(found)) is not None:
            result["macro_auroc"] = mean
        result |= {f"auroc {name}": value for name, value in zip(names, found, strict=True) if value is not None}
    return {name: round(float(value), 4) for name, value in result.items()}


def _precision_recall_f1(truth: Bools, predicted: Bools) -> tuple[float, float, float]:
    if not len(truth):
        return 0.0, 0.0, 0.0
    precision, recall, f1, _ = precision_recall_fscore_support(truth, predicted, average="binary", zero_division=0.0)
    return float(precision), float(recall), float(f1)


def aurocs(ranking: Floats, targets: Floats) -> list[float | None]:
    """Return each label's AUROC, in [0, 1]; None where no film is known to be on one of its sides."""
    found: list[float | None] = []
    for scores, answer in zip(ranking.T, targets.T, strict=True):
        known = ~np.isnan(answer)
        both = {0.0, 1.0} <= set(answer[known].tolist())
        found.append(float(roc_auc_score(answer[known], scores[known])) if both else None)
    return found


def mean_auroc(each: Sequence[float | None]) -> float | None:
    """Return the mean over the labels that have an AUROC; None where none has."""
    values = [value for value in each if value is not None]
    return float(np.mean(values)) if values else None


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
    votes = [vote(film, limits, labels).majority for film in probabilities.swapaxes(0, 1)]
    return np.asarray(votes, dtype=bool).reshape(probabilities.shape[1:])
