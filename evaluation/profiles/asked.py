"""What a profile is to be, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ...handlers.profile import ProfileRecord
from .grouping import Grouping
from .taps import AUTO

__all__ = ["Alignment", "Asked", "Made"]

Alignment = Literal["none", "gradient"]


@dataclass(frozen=True)
class Asked:
    """What a profile is to be.

    Parameters
    ----------
    name : str
        What it is called.
    grouping : Grouping
        How films are grouped.
    split : str
        Which films; `films` are those.
    layers : sequence of str
        Names; ``auto`` stands for those where the shape changes.
    alignment : str
        ``none`` or ``gradient``.
    chosen : str
        Which labels and sources, in words; empty: all.
    labels : tuple of str
        Of which labels there are groups; none: all.
    served : bool
        Whether anybody who may call a gateway can have it: then no patient can be told from it.
    """

    name: str
    grouping: Grouping
    split: str
    layers: Sequence[str] = (AUTO,)
    alignment: Alignment = "none"
    chosen: str = ""
    labels: tuple[str, ...] = ()
    served: bool = False

    @property
    def groups(self) -> str:
        """How groups are made, as the record says it."""
        return f"{self.grouping.text}; {self.chosen}" if self.chosen else self.grouping.text


@dataclass(frozen=True)
class Made:
    """What became of it.

    Parameters
    ----------
    records : tuple of ProfileRecord
        Of the networks that were profiled; their planes are stored.
    left_out : tuple of str
        Groups and films that are not in it, a sentence each.
    failed : dict of str to str
        By network that was not profiled: why.
    """

    records: tuple[ProfileRecord, ...]
    left_out: tuple[str, ...]
    failed: Mapping[str, str]
