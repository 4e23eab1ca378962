"""Durations in words, for people."""

from __future__ import annotations

__all__ = ["in_words"]


def in_words(seconds: float) -> str:
    """Say a duration as exactly as an estimate deserves.

    Parameters
    ----------
    seconds : float
        0 or more.

    Returns
    -------
    str
        For example ``"0.3 s"``, ``"45 s"``, ``"3 min 20 s"``, ``"2 h 5 min"``.
    """
    if seconds < 9.95:
        text = f"{seconds:.1f}".removesuffix(".0")
        return f"{text} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
