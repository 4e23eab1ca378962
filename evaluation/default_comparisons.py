"""The comparisons that are made for any manifest, and reading those that a user asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..datasets import Film
from .comparisons import Comparison
from .errors import EvaluationError

__all__ = ["default_comparisons", "parse_comparison"]

_WRITTEN = re.compile(r"(?P<positive>.+?) vs (?P<negative>.+?)(?: in (?P<source>[^,]+))?(?:, (?P<view>.+))?")


def default_comparisons(films: Sequence[Film], labels: Iterable[str]) -> tuple[Comparison, ...]:
    """Return what is compared when nothing is asked for.

    Parameters
    ----------
    films : sequence of Film
        The tested films.
    labels : iterable of str
        Names of the labels.

    Returns
    -------
    tuple of Comparison
        Every label against the rest in all films; within every main source that has both kinds; and within every view
        of such a source that has both kinds.
    """
    labels = list(labels)
    sources = sorted({film.main_source for film in films if film.main_source})
    views = sorted({film.view for film in films if film.view})
    within = [Comparison(label, source=source) for label in labels for source in sources]
    within += [Comparison(label, source=source, view=view) for label in labels for source in sources for view in views]
    pooled = [Comparison(label) for label in labels]
    return (*pooled, *(comparison for comparison in within if {0.0, 1.0} <= set(comparison.truth(films).tolist())))


def parse_comparison(text: str, labels: Sequence[str]) -> Comparison:
    """Read a comparison as tables write it: ``Pneumonia vs No Finding in NIH ChestX-ray14, AP``.

    Parameters
    ----------
    text : str
        ``the rest`` stands for all films without the positive label; source and view may be left out.
    labels : sequence of str
        The labels there are.

    Raises
    ------
    EvaluationError
        If it cannot be read or names no label of the data.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise EvaluationError(f"{text!r} is no comparison: write `LABEL vs LABEL in SOURCE, VIEW`")
    positive, negative = match["positive"], match["negative"]
    unknown = [name for name in (positive, negative) if name not in labels and name != "the rest"]
    if unknown or positive == "the rest":
        raise EvaluationError(
            f"{text!r}: {', '.join(unknown) or 'the rest'} is no label; there are {', '.join(labels)}"
        )
    return Comparison(
        positive, None if negative == "the rest" else negative, match["source"] or "", match["view"] or ""
    )
