"""Whether a process stops growing: a robust line through its memory after warm-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from scipy.stats import theilslopes

__all__ = ["Trend", "trend"]

WARM_UP = 0.25
"""Share of the time (of the run, or of the process where it started later) that does not count."""
LEAST_SECONDS = 60.0
LEAST_SAMPLES = 10
"""Of a shorter life after warm-up no slope is told."""
GROWTH_SHARE = 0.05
GROWTH_MIB = 20.0
"""Flat is what grows, by its slope over the time looked at, by less than the larger of these: a share of its size after
warm-up, and an amount."""
_FEW = 5


@dataclass(frozen=True)
class Trend:
    """What a process's memory did after warm-up.

    Attributes
    ----------
    seconds
        Time looked at.
    start_mib, end_mib
        Median of the first and of the last samples, MiB.
    slope_mib_min
        Theil-Sen slope, MiB per minute.
    flat
        Whether it counts as flat; None where the time was too short to tell.
    """

    seconds: float
    start_mib: float
    end_mib: float
    slope_mib_min: float | None
    flat: bool | None


def trend(times: Sequence[float], sizes: Sequence[float], started: float = 0.0, ended: float | None = None) -> Trend:
    """Fit a process's memory.

    Parameters
    ----------
    times, sizes
        Samples: seconds since the start of the run, and MiB.
    started, ended
        When the load began, and when it was over; what is later does not count.

    Returns
    -------
    Trend
        Its slope is the median of the slopes between all pairs of samples: a single step or spike does not move it.
    """
    end = times[-1] if ended is None else min(ended, times[-1])
    begin = max(started, times[0])
    warm = begin + WARM_UP * (end - begin)
    kept = [(at, size) for at, size in zip(times, sizes, strict=True) if warm <= at <= end]
    if not kept:
        return Trend(0.0, sizes[0], sizes[-1], None, None)
    seconds = kept[-1][0] - kept[0][0]
    start, last = (median(size for _, size in some) for some in (kept[:_FEW], kept[-_FEW:]))
    if seconds < LEAST_SECONDS or len(kept) < LEAST_SAMPLES:
        return Trend(seconds, start, last, None, None)
    slope = float(theilslopes([size for _, size in kept], [at for at, _ in kept]).slope)
    flat = slope * seconds < max(GROWTH_SHARE * start, GROWTH_MIB)
    return Trend(seconds, start, last, 60 * slope, flat)
