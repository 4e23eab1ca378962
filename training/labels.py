"""The hierarchy of labels, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..handlers.card import Label

__all__ = ["PAPER_HIERARCHY", "make_labels"]

PAPER_HIERARCHY: Mapping[str, str] = {
    "COVID-19": "Viral Pneumonia",
    "Viral Pneumonia": "Pneumonia",
    "Bacterial Pneumonia": "Pneumonia",
}
"""What implies what in arXiv:2006.02570."""


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
    """

    def ancestor(name: str) -> str | None:
        seen = {name}
        parent = implies.get(name)
        while parent is not None and parent not in names and parent not in seen:
            seen.add(parent)
            parent = implies.get(parent)
        return parent if parent in names else None

    return tuple(Label(name=name, implies=ancestor(name)) for name in names)
