"""A group of films, and how much each film weighs in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...datasets import Film

__all__ = ["Group", "keep_sound", "weights_of"]

_FEWEST = 2


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
        if patients >= _FEWEST:
            kept.append(group)
        elif patients:
            left_out.append(
                f"group {group.name!r} has {len(group.members)} film(s) of one patient: its mean would be that patient"
            )
        else:
            left_out.append(f"group {group.name!r} has no film")
    return tuple(kept), tuple(left_out)


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
