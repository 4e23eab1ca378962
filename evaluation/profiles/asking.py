"""From the words of a user to what a profile is to be."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import get_args

from pydantic import TypeAdapter, ValidationError

from ...datasets import Film
from ...handlers import RepositoryError
from ...handlers.card import Name
from ...handlers.lifting import NotLiftable, lift
from ...handlers.profile import load_record, records
from .asked import Alignment, Asked
from .errors import LayersUnknown, ProfileRefused
from .grouping import Grouping, parse_grouping
from .places import places_of
from .subjects import Subject, Subjects
from .taps import AUTO, tapped

__all__ = ["ask", "refuse_mixed"]


def ask(
    subjects: Subjects,
    groups: str,
    layers: Sequence[str],
    alignment: str,
    name: str | None,
    split: str,
    labels: Sequence[str] = (),
    sources: Sequence[str] = (),
    served: bool = False,
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
    served : bool
        Whether it is put into the model set.

    Returns
    -------
    tuple
        What is asked, and the films.

    Raises
    ------
    ProfileRefused
        With everything that is wrong.
    """
    problems = list(subjects.problems)
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
    if served and subjects.folder is None:
        problems.append("--store puts profiles into a model set: name --repository")
    problems += _unknown_layers(layers, subjects)
    if problems:
        raise ProfileRefused(problems)
    chosen = [f"{what} {', '.join(one)}" for what, one in (("labels", labels), ("sources", sources)) if one]
    method: Alignment = "gradient" if alignment == "gradient" else "none"
    return Asked(
        called, grouping, split, tuple(layers) or (AUTO,), method, "; ".join(chosen), tuple(labels), served
    ), films


def refuse_mixed(asked: Asked, subjects: Subjects, folders: Sequence[Path]) -> None:
    """See to it that profiles of one name are made in one way, whatever the network.

    Parameters
    ----------
    asked : Asked
        What is asked.
    subjects : Subjects
        The networks, whose profiles of this name are replaced.
    folders : sequence of Path
        Where profiles are put.

    Raises
    ------
    ProfileRefused
        With every profile of another network that has this name and is of other groups, films or alignment.
    """
    mine = [subject.network.name for subject in subjects.networks]
    wanted = (asked.groups, asked.split, asked.alignment, subjects.data_set.checksum)
    problems = []
    for folder in folders:
        for name, network in records(folder):
            if name != asked.name or network in mine:
                continue
            try:
                one = load_record(folder, name, network)
            except RepositoryError:
                continue  # the gateway names it
            if (one.grouping, one.split, one.alignment, one.manifest_sha256) != wanted:
                problems.append(
                    f"{folder / name} holds {name} of {network}, which is made otherwise (grouped by {one.grouping}, "
                    f"split {one.split}, alignment {one.alignment}, data {one.data}): give another --name, or profile "
                    "all networks"
                )
    if problems:
        raise ProfileRefused(problems)


def _unknown_layers(layers: Sequence[str], subjects: Subjects) -> list[str]:
    """Say which layers no network has; one that some have is left out of the others."""
    named = [name for name in layers if name != AUTO]
    there = [_layers_of(one) for one in subjects.networks] if named else []
    lacking = [name for name in named if not any(name in layers_of for layers_of in there)]
    if not lacking or not there:
        return []
    one = subjects.networks[0].network
    try:
        tapped(one, lacking)
    except (LayersUnknown, NotLiftable) as error:
        return [f"no network has the layer {', '.join(lacking)}; {one.name} {error}"]
    return []


def _layers_of(subject: Subject) -> Collection[str]:
    try:
        return places_of(lift(subject.network.script), subject.network.spec)
    except NotLiftable:
        return ()
