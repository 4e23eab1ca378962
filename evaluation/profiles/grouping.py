"""How films are put into groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...datasets import Film
from ...handlers import Label
from ..statistics.subgroups import age_band
from .errors import ProfileRefused
from .group import Group

__all__ = ["BY_COLUMN", "Grouping", "groups_by_prediction", "groups_of", "parse_grouping"]

BY_COLUMN: Mapping[str, Callable[[Film], str]] = {
    "source": lambda film: film.source,
    "main-source": lambda film: film.main_source,
    "view": lambda film: film.view,
    "sex": lambda film: film.sex,
    "age": lambda film: age_band(film.age),
}
"""What of a film it is grouped by; empty: not known."""

_LABEL, _DISJOINT, _PREDICTION = "label", "label:disjoint", "label-x-prediction"


@dataclass(frozen=True)
class Grouping:
    """How groups are made.

    Parameters
    ----------
    text : str
        As it was asked for, such as ``label-x-prediction:COVID-19``.
    kind : str
        The part before the label.
    label : str
        The one label, where one was named.
    """

    text: str
    kind: str
    label: str = ""

    @property
    def by_prediction(self) -> bool:
        """Whether each network has groups of its own."""
        return self.kind == _PREDICTION

    @property
    def by_label(self) -> bool:
        """Whether each group is about one label, so that it can be aligned."""
        return self.kind in (_LABEL, _PREDICTION)


def parse_grouping(text: str, labels: Sequence[Label]) -> Grouping:
    """Read how groups are to be made.

    Raises
    ------
    ProfileRefused
        If it is none of the ways there are, or names a label that is none.
    """
    if text in (_LABEL, _DISJOINT, _PREDICTION, *BY_COLUMN):
        return Grouping(text, text)
    kind, _, label = text.partition(":")
    names = [one.name for one in labels]
    if kind == _PREDICTION:
        if label not in names:
            raise ProfileRefused([f"there is no label {label!r}; there are {', '.join(names)}"])
        return Grouping(text, kind, label)
    ways = (_LABEL, _DISJOINT, _PREDICTION, f"{_PREDICTION}:LABEL", *BY_COLUMN)
    raise ProfileRefused([f"films cannot be grouped by {text!r}; they can by {', '.join(ways)}"])


def groups_of(grouping: Grouping, films: Sequence[Film], labels: Sequence[Label]) -> tuple[tuple[Group, ...], str]:
    """Make the groups that do not depend on what networks say.

    Returns
    -------
    tuple
        The groups, empty ones too where a label promises them; and a sentence about films that are in none, or nothing.
    """
    if grouping.kind == _LABEL:
        groups = _by_label(films, labels)
    elif grouping.kind == _DISJOINT:
        groups = _named([_label_set(film, labels) for film in films])
    else:
        groups = _named([BY_COLUMN[grouping.kind](film) for film in films])
    grouped = frozenset().union(*(group.members for group in groups)) if groups else frozenset()
    missing = len(films) - len(grouped)
    return groups, f"{missing} films are in no group: not known" if missing else ""


def groups_by_prediction(
    grouping: Grouping, films: Sequence[Film], labels: Sequence[Label], called: NDArray[np.bool_]
) -> tuple[Group, ...]:
    """Make four groups of each label: has it or not, and the network says so or not.

    Parameters
    ----------
    grouping : Grouping
        Of one label, or of all.
    films : sequence of Film
        A film of which a label is unknown is in no group of it.
    labels : sequence of Label
        Of the network, in the order of its logits.
    called : ndarray of bool, shape [films, labels]
        What the network votes for.
    """
    groups = []
    for column, label in enumerate(labels):
        if grouping.label not in ("", label.name):
            continue
        for known, said, name in (
            (True, True, "{}, called"),
            (True, False, "{}, missed"),
            (False, True, "not {}, called"),
            (False, False, "not {}, not called"),
        ):
            members = (i for i, film in enumerate(films) if film.known.get(label.name) is known)
            mine = frozenset(i for i in members if bool(called[i, column]) is said)
            groups.append(Group(name.format(label.name), mine, label.name))
    return tuple(groups)


def _by_label(films: Sequence[Film], labels: Sequence[Label]) -> tuple[Group, ...]:
    """One group for each label, and one of a label without those that imply it; films may be in several."""
    groups = []
    for label in labels:
        present = frozenset(i for i, film in enumerate(films) if film.known.get(label.name))
        groups.append(Group(label.name, present, label.name))
        below = [one.name for one in labels if one.implies == label.name]
        if below:
            alone = frozenset(i for i in present if all(films[i].known.get(name) is False for name in below))
            groups.append(Group(f"{label.name} without {', '.join(below)}", alone, label.name))
    return tuple(groups)


def _label_set(film: Film, labels: Sequence[Label]) -> str:
    """Name the labels of a film, without those that another of them implies."""
    present = [label for label in labels if film.known.get(label.name)]
    implied = {label.implies for label in present}
    return " + ".join(label.name for label in present if label.name not in implied)


def _named(names: Sequence[str]) -> tuple[Group, ...]:
    members: dict[str, set[int]] = {}
    for number, name in enumerate(names):
        if name:
            members.setdefault(name, set()).add(number)
    return tuple(Group(name, frozenset(found)) for name, found in sorted(members.items()))
