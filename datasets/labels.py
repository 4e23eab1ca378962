"""The hierarchy of labels, as data, and what follows from it for a film."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ..handlers.card import Label
from .errors import LabelsError

__all__ = ["NO_FINDING", "PAPER_HIERARCHY", "check_implications", "complete", "in_order", "make_labels"]

NO_FINDING = "No Finding"
"""What a healthy film says; it excludes every other label."""

PAPER_HIERARCHY: Mapping[str, str] = {
    "COVID-19": "Viral Pneumonia",
    "Viral Pneumonia": "Pneumonia",
    "Bacterial Pneumonia": "Pneumonia",
}
"""What implies what in arXiv:2006.02570."""


_LONGEST = 100
"""Characters of a name, as a card has it."""


def make_labels(names: Sequence[str], implies: Mapping[str, str] = PAPER_HIERARCHY) -> tuple[Label, ...]:
    """Make the labels of a model, each implying its nearest ancestor that the model has.

    Parameters
    ----------
    names : sequence of str
        Labels in the order of the logits.
    implies : mapping of str to str
        Label to parent. Parents that are not in ``names`` are bridged: without "Viral Pneumonia", COVID-19 implies
        Pneumonia.

    Returns
    -------
    tuple of Label
        With thresholds of .5.

    Raises
    ------
    LabelsError
        A name comes twice, is empty or too long, or something implies itself.
    """
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise LabelsError(f"labels named twice: {', '.join(twice)}")
    for name in names:
        if not 1 <= len(name) <= _LONGEST:
            raise LabelsError(f"the label {name[:20]!r}... has {len(name)} characters; {_LONGEST} are the most")
    _check_circles(implies)

    def ancestor(name: str) -> str | None:
        parent = implies.get(name)
        while parent is not None and parent not in names:
            parent = implies.get(parent)
        return parent

    return tuple(Label(name=name, implies=ancestor(name)) for name in names)


def check_implications(names: Sequence[str], implies: Mapping[str, str]) -> None:
    """Refuse what would be left out of the labels: a hierarchy for many models may say more, a user's own may not.

    Parameters
    ----------
    names, implies
        See `make_labels`.

    Raises
    ------
    LabelsError
        A child is no label and no parent of one, or a parent is no label and leads to none.
    """
    _check_circles(implies)
    for child, parent in implies.items():
        above: str | None = parent
        while above is not None and above not in names:
            above = implies.get(above)
        wrong = parent if above is None else child if child not in (*names, *implies.values()) else None
        if wrong is not None:
            raise LabelsError(f"{child}={parent}: there is no label {wrong!r}; there are {', '.join(names)}")


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return labels in the paper's order, then all others by name."""
    present = set(names)
    paper = [*PAPER_HIERARCHY, "Pneumonia", NO_FINDING]
    return (*(name for name in paper if name in present), *sorted(present.difference(paper)))


def complete(stated: Mapping[str, bool], implies: Mapping[str, str], unknown: Collection[str] = ()) -> dict[str, bool]:
    """Add to what is said of a film what follows from it.

    A present label implies its ancestors, an absent one the absence of all below it, and a present finding excludes
    `NO_FINDING`, as that excludes all findings of the hierarchy. What is said wins over what would follow; what would
    follow both ways, and all else, is unknown.

    Parameters
    ----------
    stated : mapping of str to bool
        Labels that are said to be present or absent.
    implies : mapping of str to str
        Label to parent.
    unknown : collection of str
        Labels that are said to be unknown: they stay so.

    Returns
    -------
    dict of str to bool
        What is known. A label that is missing here is unknown, which is not negative.
    """
    said = {*stated, *unknown}
    present: set[str] = set()
    for name in (name for name, value in stated.items() if value):
        parent = implies.get(name)
        while parent is not None and parent not in said:
            present.add(parent)
            parent = implies.get(parent)
    absent = {name for name in implies if name not in said and _nearest(name, said, stated, implies) is False}
    everything = {*stated, *implies, *implies.values()} - {NO_FINDING}
    if stated.get(NO_FINDING):
        absent |= everything - said
    elif NO_FINDING not in said and any(stated.get(name) for name in everything):
        absent.add(NO_FINDING)
    implied = dict.fromkeys(present - absent, True) | dict.fromkeys(absent - present, False)
    return {**implied, **stated}


def _nearest(name: str, said: Collection[str], stated: Mapping[str, bool], implies: Mapping[str, str]) -> bool | None:
    above = implies.get(name)
    while above is not None and above not in said:
        above = implies.get(above)
    return None if above is None else stated.get(above)


def _check_circles(implies: Mapping[str, str]) -> None:
    for name in implies:
        chain = [name]
        while (parent := implies.get(chain[-1])) is not None:
            chain.append(parent)
            if parent == name:
                raise LabelsError(f"{name!r} implies itself: {' -> '.join(chain)}")
            if parent in chain[:-1]:
                break  # told of the names in that circle
