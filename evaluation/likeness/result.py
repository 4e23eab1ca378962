"""What was found of a guard."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from ...handlers.card import INTENDED_USE, DataRecord
from ..statistics.score import Score

__all__ = ["FalseAlarms", "GuardResult", "StrangerKind"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FalseAlarms(_Record):
    """How often the guard warns of a chest X-ray as it should be."""

    source: str
    """Main source of the films; empty: all."""
    films: int
    patients: int
    warned: int
    """Films."""
    rate: Score
    """Share of films that are warned of."""
    auroc: Score | None = None
    """Chance that a film of the source is more unlike than one of another; .5 where it tells no sources apart.
    None of all films, and where there is one source only."""


class StrangerKind(_Record):
    """How well the guard tells pictures of one kind from chest X-rays as they should be."""

    kind: str
    """What was done to the films, or what the pictures are."""
    pictures: int
    auroc: Score
    """Chance that such a picture is more unlike than a film."""
    false_positives: Score
    """Share of films that would be warned of at the threshold that warns of 95 % of such pictures."""
    warned: Score
    """Share of such pictures that are warned of, at the guard's own threshold."""


class GuardResult(_Record):
    """Everything; numbers are rounded to six decimals."""

    schema_version: Literal[1] = 1
    intended_use: str = INTENDED_USE
    data: DataRecord
    """Where the films come from."""
    threshold: float
    """The guard's own."""
    alarms: tuple[FalseAlarms, ...]
    """Of all films, then by main source."""
    kinds: tuple[StrangerKind, ...]
    """Changed films, then strangers."""
    resamples: int
    """Of the bootstrap over patients."""
    seed: int
