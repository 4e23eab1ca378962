"""From which score on a baseline calls a film positive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

__all__ = ["BaselineCuts", "Cut", "best_cut"]


class Cut(BaseModel):
    """One baseline's threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    comparison: str
    """What the baseline was fitted for."""
    predictor: str
    """Which baseline."""
    fold: str
    """In which fold."""
    threshold: float
    """Films with this score or a higher one are called positive: best F1 on the validation films."""


class BaselineCuts(BaseModel):
    """The thresholds of all baselines."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cuts: tuple[Cut, ...]
    """In the order of the comparisons."""


def best_cut(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Return the threshold with the best F1, as the networks' are chosen; of equally good ones the lowest.

    Parameters
    ----------
    scores : ndarray of float64, shape [films]
        Of films with known truth, some of them positive.
    truth : ndarray of bool, shape [films]
        Which are positive.
    """
    from sklearn.metrics import precision_recall_curve

    precision, recall, thresholds = precision_recall_curve(truth, scores)
    total = np.maximum(precision + recall, 1e-12)
    f1 = (2 * precision * recall / total)[:-1]
    return float(thresholds[f1 >= f1.max() - 1e-12][0])
