"""The hierarchy of labels, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..handlers.card import Label
from .errors import WrongArgument

__all__ = ["PAPER_HIERARCHY", "check_implications", "make_labels"]

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
    WrongArgument
        A name comes twice, is empty or too long, or something implies itself.
    """
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise WrongArgument(f"labels named twice: {', '.join(twice)}")
    for name in names:
        if not 1 <= len(name) <= _LONGEST:
            raise WrongArgument(f"the label {name[:20]!r}... has {len(name)} characters; {_LONGEST} are the most")
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
    WrongArgument
        A child is no label and no parent of one, or a parent is no label and leads to none.
    """
    _check_circles(implies)
    for child, parent in implies.items():
        above: str | None = parent
        while above is not None and above not in names:
            above = implies.get(above)
        wrong = parent if above is None else child if child not in (*names, *implies.values()) else None
        if wrong is not None:
            raise WrongArgument(f"{child}={parent}: there is no label {wrong!r}; there are {', '.join(names)}")


def _check_circles(implies: Mapping[str, str]) -> None:
    for name in implies:
        chain = [name]
        while (parent := implies.get(chain[-1])) is not None:
            chain.append(parent)
            if parent == name:
                raise WrongArgument(f"{name!r} implies itself: {' -> '.join(chain)}")
            if parent in chain[:-1]:
                break  # told of the names in that circle
