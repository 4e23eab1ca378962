"""From the words of a user to what a profile is to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from pydantic import TypeAdapter, ValidationError

from ...datasets import Film
from ...handlers.card import Name
from .asked import Alignment, Asked
from .errors import ProfileRefused
from .grouping import Grouping, parse_grouping
from .subjects import Subjects
from .taps import AUTO

__all__ = ["ask"]


def ask(
    subjects: Subjects,
    groups: str,
    layers: Sequence[str],
    alignment: str,
    name: str | None,
    split: str,
    labels: Sequence[str] = (),
    sources: Sequence[str] = (),
) -> tuple[Asked, tuple[Film, ...]]:
    """Check what was asked for, and choose films.

    Parameters
    ----------
    subjects : Subjects
        Networks and films.
    groups : str
        As `parse_grouping` reads it.
    layers : sequence of str
        Names of layers; none: those where the shape changes.
    alignment : str
        ``none`` or ``gradient``.
    name : str, optional
        Of the profile; None: made of `groups`.
    split : str
        ``train``, ``val``, ``test`` or ``all``.
    labels, sources : sequence of str
        Of the films; none: all.

    Returns
    -------
    tuple
        What is asked, and the films.

    Raises
    ------
    ProfileRefused
        With everything that is wrong.
    """
    problems: list[str] = []
    grouping = Grouping(groups, groups)
    films: tuple[Film, ...] = ()
    known = [label for label in subjects.data_set.labels if not labels or label.name in labels]
    try:
        grouping = parse_grouping(groups, known)
    except ProfileRefused as error:
        problems += error.problems
    try:
        films = subjects.films(split, labels, sources)
    except ProfileRefused as error:
        problems += error.problems
    if alignment not in get_args(Alignment):
        problems.append(f"maps cannot be aligned by {alignment!r}; there are {', '.join(get_args(Alignment))}")
    called = name if name is not None else f"by-{groups.replace(':', '-').replace(' ', '_')}"
    try:
        TypeAdapter(Name).validate_python(called)
    except ValidationError:
        problems.append(f"a profile cannot be called {called!r}: --name of letters, digits, dots, dashes, underscores")
    if problems:
        raise ProfileRefused(problems)
    chosen = [f"{what} {', '.join(one)}" for what, one in (("labels", labels), ("sources", sources)) if one]
    method: Alignment = "gradient" if alignment == "gradient" else "none"
    return Asked(called, grouping, split, tuple(layers) or (AUTO,), method, "; ".join(chosen)), films
