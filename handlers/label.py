"""The labels of a network: names, hierarchy, thresholds, codes."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from .record import Record

__all__ = ["CodedConcept", "Label", "check_labels"]


class CodedConcept(Record):
    """A label in a terminology, as DICOM writes coded concepts."""

    scheme: str = Field(min_length=1, max_length=16)
    """Coding scheme designator, such as ``SCT``."""
    value: str = Field(min_length=1, max_length=64)
    """Code value."""
    meaning: str = Field(min_length=1, max_length=64)
    """Code meaning: the text to display."""


class Label(Record):
    """One output of a network."""

    name: str = Field(min_length=1, max_length=100)
    """As shown to people."""
    implies: str | None = None
    """The label that is true whenever this one is."""
    threshold: float = Field(default=0.5, ge=0, le=1)
    """Probability, as served, from which this network votes for the label; of an ensemble, mean probability."""
    code: CodedConcept | None = None
    """The label in a terminology; None where no code was verified."""


def check_labels(labels: Sequence[Label]) -> None:
    """Refuse labels that are no forest.

    Raises
    ------
    ValueError
        Two labels have one name, or one implies itself or something that is no label.
    """
    parents = {label.name: label.implies for label in labels}
    if len(parents) != len(labels):
        raise ValueError("two labels have the same name")
    for label in labels:
        seen = {label.name}
        parent = label.implies
        while parent is not None:
            if parent not in parents:
                raise ValueError(f"label {label.name!r} implies {parent!r}, which is not a label")
            if parent in seen:
                raise ValueError(f"label {label.name!r} implies itself")
            seen.add(parent)
            parent = parents[parent]
