"""Numbers as reports write them."""

from __future__ import annotations

from ..comparing import Side
from ..statistics.score import Score

__all__ = ["ABSENT", "NOT_ESTIMABLE", "number", "p_value", "side", "signed", "with_interval"]

ABSENT = "–"
"""Where a number does not apply or is not defined."""
NOT_ESTIMABLE = "not estimable"
"""Where there are too few patients for a number."""


def number(value: float | None) -> str:
    """Write a number between 0 and 1 with three decimals."""
    return ABSENT if value is None else f"{value:.3f}"


def with_interval(score: Score | None) -> str:
    """Write a number and its interval: ``0.912 (0.861 to 0.950)``."""
    if score is None or score.value is None:
        return ABSENT
    if score.low is None or score.high is None:
        return f"{score.value:.3f} (no interval)"
    return f"{score.value:.3f} ({score.low:.3f} to {score.high:.3f})"


def signed(score: Score | None) -> str:
    """Write a difference and its interval, with signs."""
    if score is None or score.value is None:
        return ABSENT
    if score.low is None or score.high is None:
        return f"{score.value:+.3f} (no interval)"
    return f"{score.value:+.3f} ({score.low:+.3f} to {score.high:+.3f})"


def p_value(value: float | None) -> str:
    """Write a p-value."""
    if value is None:
        return ABSENT
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def side(value: Side) -> str:
    """Write films and patients: ``55 / 19``."""
    return f"{value.films} / {value.patients}"
