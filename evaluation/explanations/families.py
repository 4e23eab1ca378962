"""What kind of property a measure judges: ranks are made within a kind, and dear kinds are measured on fewer films."""

from __future__ import annotations

from typing import Literal

__all__ = ["MeasureFamily", "family_of"]

MeasureFamily = Literal["faithfulness", "robustness", "randomisation", "complexity"]

# By a part of the name: `smooth_mprt` and `efficient_mprt` are one kind.
_BY_PART: tuple[tuple[str, MeasureFamily], ...] = (
    ("sensitivity_n", "faithfulness"),
    ("sensitivity", "robustness"),
    ("robust", "robustness"),
    ("lipschitz", "robustness"),
    ("stability", "robustness"),
    ("mprt", "randomisation"),
    ("randomi", "randomisation"),
    ("gini", "complexity"),
    ("sparse", "complexity"),
    ("complexity", "complexity"),
)


def family_of(measure: str) -> MeasureFamily:
    """Return the kind of a measure.

    Parameters
    ----------
    measure : str
        Its name, such as ``max_sensitivity``.

    Returns
    -------
    str
        Faithfulness where the name tells no other: what is left are curves and fits of the output.
    """
    return next((family for part, family in _BY_PART if part in measure), "faithfulness")
