"""What is served, and what is refused and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...handlers.card import ModelCard
from ...handlers.repository import LoadedSet


@dataclass(frozen=True)
class Refused:
    """A version that is in the repository and is not served.

    Attributes
    ----------
    name
        `chest_xray` for a model set, else the network.
    version
        Which version.
    reason
        Why not, for operators: may name files.
    """

    name: str
    version: int
    reason: str


@dataclass(frozen=True)
class ServingStatus:
    """What Triton serves.

    Attributes
    ----------
    available
        Whether Triton is alive and has its models.
    model_set
        The set that the ensemble answers with, and the cards of its networks; None if no set is served.
    networks
        Cards of the networks outside the set that are served one by one, by name.
    refused
        Newer versions that are not served.
    """

    available: bool
    model_set: LoadedSet | None = None
    networks: Mapping[str, ModelCard] = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()
