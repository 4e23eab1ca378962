"""A number of the evaluation, rounded so that it is the same on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from ...handlers.evaluated import Estimate

__all__ = ["DIGITS", "Score", "rounded", "scored"]

DIGITS = 6
"""Decimals that are kept: far below every interval, far above what libraries differ by."""


class Score(Estimate):
    """A number, its 95 % interval, and how many resamples had no value, for want of a class for instance."""

    missing: int = Field(default=0, ge=0)
    """Resamples (or draws) in which the metric is not defined; past 5 % there is no interval."""

    def estimate(self) -> Estimate:
        """Return it as model cards carry it."""
        return Estimate(value=self.value, low=self.low, high=self.high)


def rounded(value: float | np.floating[Any]) -> float | None:
    """Round to `DIGITS`; None for what is not a number."""
    return round(float(value), DIGITS) + 0.0 if np.isfinite(value) else None


def scored(
    value: float | np.floating[Any],
    low: float | np.floating[Any] = np.nan,
    high: float | np.floating[Any] = np.nan,
    missing: int = 0,
) -> Score:
    """Make a `Score` of numbers that may be NaN."""
    return Score(value=rounded(value), low=rounded(low), high=rounded(high), missing=missing)
