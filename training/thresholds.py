"""The thresholds that make votes of probabilities, and how far they can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Threshold", "choose_thresholds", "fixed_thresholds"]

GRID = np.round(np.linspace(0.02, 0.98, 97), 2)
_RESAMPLES = 1000
_INTERVAL = (2.5, 97.5)

Floats = NDArray[np.float32]


class Threshold(BaseModel):
    """From which calibrated probability on a label is voted for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float = Field(ge=0, le=1)
    """The threshold."""
    low: float | None = None
    """Lower end of its 95 % interval; None where it was not chosen from films."""
    high: float | None = None
    """Upper end."""
    chosen: str
    """How, in words."""


def fixed_thresholds(value: float, labels: int) -> tuple[Threshold, ...]:
    """Return the same threshold for all labels."""
    return (Threshold(value=value, chosen="given by the preset"),) * labels


def choose_thresholds(
    probabilities: Floats, targets: Floats, groups: Sequence[str] | None = None, *, seed: int = 0
) -> tuple[Threshold, ...]:
    """Choose each label's threshold so that its F1 on a validation split is largest.

    Parameters
    ----------
    probabilities : ndarray of float32, shape [films, labels]
        In [0, 1], calibrated.
    targets : ndarray of float32, shape [films, labels]
        0, 1, and NaN for unknown, which takes no part.
    groups : sequence of str, optional
        Patient of each film: the interval comes of 1000 resamples of patients. By default each film is one.
    seed : int
        Of the resamples.

    Returns
    -------
    tuple of Threshold
        In [.02, .98]; of equally good ones the one nearest to .5. A label of which the split does not have both sides
        gets .5.
    """
    names = [str(index) for index in range(len(targets))] if groups is None else groups
    number = {name: index for index, name in enumerate(dict.fromkeys(names))}
    members = np.asarray([number[name] for name in names], dtype=np.int64)
    count = len(number)
    rng = np.random.default_rng(seed)
    weights = (
        rng.multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)
        if count
        else np.zeros((0, 0), dtype=np.int64)
    )
    return tuple(
        _choose(p.astype(np.float64), t, members, weights) for p, t in zip(probabilities.T, targets.T, strict=True)
    )


def _choose(
    scores: NDArray[np.float64], answer: Floats, members: NDArray[np.int64], weights: NDArray[np.int64]
) -> Threshold:
    known = ~np.isnan(answer)
    truth = answer[known] == 1
    if not truth.any() or truth.all():
        side = "without" if truth.any() else "with"
        return Threshold(value=0.5, chosen=f"not chosen: the validation split has no films {side} the label")
    predicted = scores[known, None] >= GRID
    hits, errors = predicted & truth[:, None], predicted != truth[:, None]
    by_group = np.zeros((2, weights.shape[1], len(GRID)))
    np.add.at(by_group[0], members[known], hits)
    np.add.at(by_group[1], members[known], errors)
    best = _best(by_group.sum(axis=1)[:, None])[0]
    resampled = _best(np.stack([weights @ part for part in by_group]))
    low, high = np.percentile(resampled, _INTERVAL)
    return Threshold(
        value=float(best),
        low=round(float(low), 3),
        high=round(float(high), 3),
        chosen="largest F1 on the validation split; 95 % interval of 1000 resamples of its patients",
    )


def _best(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the best threshold of each row; counts of hits and errors are ``[2, rows, thresholds]``."""
    hits, errors = counts
    f1 = 2 * hits / np.maximum(2 * hits + errors, 1)
    tied = f1 >= f1.max(axis=1, keepdims=True) - 1e-9
    return np.asarray(GRID[np.where(tied, np.abs(GRID - 0.5), np.inf).argmin(axis=1)])
