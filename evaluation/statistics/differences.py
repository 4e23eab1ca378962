"""Whether networks differ from their ensemble: paired differences with p-values that know how many were looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from .binary import Floats
from .predictors import MAJORITY, MEAN, Predictor
from .resampling import Resampling
from .score import Score, rounded

__all__ = ["Difference", "differences", "holm"]


class Difference(BaseModel):
    """A network's metric minus that of the ensemble, on the same films."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    metric: str
    """Name of the metric; for the majority vote, rankings are by the share of votes."""
    network: str
    """Minuend."""
    reference: str
    """Subtrahend: the majority vote or the mean probability."""
    difference: Score
    """Paired."""
    p: float | None
    """Two-sided; None where it cannot be told."""
    p_holm: float | None
    """Corrected for all differences of the same metric."""


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number so that the chance of any false alarm stays below the level.

    S. Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6 (1979).

    Parameters
    ----------
    p_values : sequence of float
        In any order.

    Returns
    -------
    list of float
        Corrected, in the same order, at most 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1)
    return [float(value) for value in corrected]


def differences(
    predictors: Sequence[Predictor],
    values: Mapping[str, Mapping[str, Floats]],
    metrics: Sequence[str],
    resampling: Resampling,
) -> tuple[Difference, ...]:
    """Compare every network with the majority vote and with the mean probability.

    Parameters
    ----------
    predictors : sequence of Predictor
        All.
    values : mapping
        By predictor, then by metric: values ``[K]`` under the same weightings.
    metrics : sequence of str
        Which ones; each is a family of its own for Holm's correction.
    resampling : Resampling
        The weightings.

    Returns
    -------
    tuple of Difference
        Metric by metric.
    """
    networks = [item.name for item in predictors if item.kind == "network"]
    result: list[Difference] = []
    for metric in metrics:
        family = [
            (name, other, values[name][metric] - values[other][metric])
            for other in (MAJORITY, MEAN)
            for name in networks
        ]
        p_values = [resampling.p_value(difference) for _, _, difference in family]
        corrected = iter(holm([p for p in p_values if p is not None]))
        result += [
            Difference(
                metric=metric,
                network=name,
                reference=other,
                difference=resampling.score(difference),
                p=None if p is None else rounded(p),
                p_holm=None if p is None else rounded(next(corrected)),
            )
            for (name, other, difference), p in zip(family, p_values, strict=True)
        ]
    return tuple(result)
