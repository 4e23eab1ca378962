"""A group of films, and how much each film weighs in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...datasets import Film

__all__ = ["FEWEST", "Group", "keep_sound", "without_few", "weights_of"]

FEWEST = 2
"""Patients that a mean is made of."""


@dataclass(frozen=True)
class Group:
    """Films that have something in common.

    Parameters
    ----------
    name : str
        As tables call it.
    members : frozenset of int
        Places of its films among all.
    label : str, optional
        The label that it is about; alignment needs it.
    """

    name: str
    members: frozenset[int]
    label: str | None = None


def keep_sound(groups: Sequence[Group], films: Sequence[Film]) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """Leave out the groups that no mean can be made of.

    Returns
    -------
    tuple
        The groups with films of two patients or more, and a sentence for each other one.
    """
    kept, left_out = [], []
    for group in groups:
        patients = len({films[member].group for member in group.members})
        if patients >= FEWEST:
            kept.append(group)
        elif patients:
            left_out.append(
                f"group {group.name!r} has {len(group.members)} film(s) of one patient: its mean would be that patient"
            )
        else:
            left_out.append(f"group {group.name!r} has no film")
    return tuple(kept), tuple(left_out)


def without_few(
    groups: Sequence[Group], films: Sequence[Film], fewest: int
) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """Take out the patients that could be told from what is served of the groups.

    A small group comes near to an X-ray, and so does what is left when means of large groups that overlap are taken
    from each other: those of a label, and of what implies it and what does not, leave over the one patient who had
    films of both. So a patient stays in where enough others have films in the same groups, and every sum of means that
    is not zero is of that many patients.

    Parameters
    ----------
    groups : sequence of Group
        All of the profile.
    films : sequence of Film
        Theirs.
    fewest : int
        How many patients are enough.

    Returns
    -------
    tuple
        The groups without these patients, some of them empty now; and a sentence where there are any.
    """
    films_of: dict[str, set[frozenset[int]]] = {}
    for number, film in enumerate(films):
        if of := frozenset(place for place, group in enumerate(groups) if number in group.members):
            films_of.setdefault(film.group, set()).add(of)
    kinds = {patient: frozenset(found) for patient, found in films_of.items()}
    alike = Counter(kinds.values())
    few = {patient for patient, kind in kinds.items() if alike[kind] < fewest}
    kept = tuple(
        replace(group, members=frozenset(one for one in group.members if films[one].group not in few))
        for group in groups
    )
    text = f"left out of every group: {len(few)} patient(s), since fewer than {fewest} have films in the same groups"
    return kept, (text,) if few else ()


def weights_of(groups: Sequence[Group], films: Sequence[Film]) -> NDArray[np.float64]:
    """Return what each film weighs in each group, ``[films, groups]``: each patient weighs 1, shared by its films.

    A patient is what films of one split group have in common: the patient and known duplicates.
    """
    weights = np.zeros((len(films), len(groups)))
    for column, group in enumerate(groups):
        films_of = Counter(films[member].group for member in group.members)
        for member in group.members:
            weights[member, column] = 1 / films_of[films[member].group]
    return weights
