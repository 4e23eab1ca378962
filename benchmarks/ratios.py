"""Times of two sides that are measured in turn, and their ratio with its spread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

__all__ = [
    "Spread",
    "aim",
    "for_own_labels",
    "geometric_mean",
    "in_turn",
    "missed",
    "ratio",
    "seconds_of",
    "spread",
    "verdict",
    "written",
]


class Spread(TypedDict):
    """A middle value, and the quartiles around it."""

    median: float
    low: float
    high: float


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long something takes, by the clock on the wall."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time several sides one after another, again and again, so that a noisy machine is noisy for all of them.

    Parameters
    ----------
    sides : mapping of str to callable
        What each does.
    rounds : int
        How often.

    Returns
    -------
    dict of str to list of float
        Seconds of every round.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            times[name].append(seconds_of(work))
    return times


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the quartiles."""
    low, middle, high = (float(f"{one:.4g}") for one in np.quantile(values, [0.25, 0.5, 0.75]))
    return {"median": middle, "low": low, "high": high}


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> Spread:
    """Return how many times as long they take as we do, pair by pair."""
    return spread([rival / own for rival, own in zip(theirs, ours, strict=True)])


def geometric_mean(values: Iterable[float]) -> float:
    """Return the mean of ratios."""
    return float(np.exp(np.mean(np.log(list(values)))))


def missed(delta: float, change: float) -> float:
    """Return the share of the change of an output that a complete map with this convergence delta misses."""
    return float(f"{abs(delta) / max(abs(change), 1e-12):.2g}")


def aim(found: float, wanted: float, what: str) -> str:
    """Say of a ratio whether it is what it should be."""
    verdict = "reached" if found >= wanted else "**missed**"
    return f"- {what}: {found:.1f} x (aim: at least {wanted:g} x): {verdict}."


def for_own_labels(mean: float, labels: int, own: int) -> list[str]:
    """Say what a mean ratio to one call for each of so many labels is where the measured set has others."""
    if own == labels:
        return []
    return [f"- the same with a call for each of the {own} labels of this set: {mean * own / labels:.1f} x."]


def written(found: Mapping[str, Any]) -> str:
    """Write a ratio with its quartiles, if it was measured more than once."""
    text = f"{found['median']:.2f} x"
    return f"{text} ({found['low']:.2f} to {found['high']:.2f})" if found["low"] < found["high"] else text


def verdict(found: Mapping[str, Any]) -> str:
    """Write a ratio with its quartiles, and say it where we lose."""
    text = written(found)
    return text if found["median"] >= 1 else f"{text}, **we lose**"
