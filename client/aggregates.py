"""The ensemble: its vote as something to explain, and the ways in which its networks' maps are taken together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from .results import ModelVersion

__all__ = [
    "AGGREGATES",
    "ENSEMBLE",
    "AggregateOrigin",
    "AggregatedNetwork",
    "Aggregation",
    "Agreement",
    "Evidence",
    "Mean",
    "Verdict",
]

ENSEMBLE = "chest_xray"
"""The ensemble's name among the models."""


class Evidence(str, Enum):
    """A direction of evidence in a map that has a sign."""

    UNSPECIFIED = "unspecified"
    FOR = "for"
    AGAINST = "against"


@dataclass(frozen=True)
class Mean:
    """The mean of the networks' maps, each divided by the 99th percentile of its magnitudes."""

    kind: str = field(default="mean", init=False)

    @property
    def word(self) -> str:
        """What it is called in file names and on the command line."""
        return self.kind


@dataclass(frozen=True)
class Agreement:
    """The share of the networks that point at a pixel, in [0, 1]; 0 where fewer point at it than there must.

    Parameters
    ----------
    networks : int
        Least number of networks; 0: more than half of those that are explained and vote.
    top_share : float
        A network points at the pixels that are among this share of its map's strongest by magnitude, above 0 and below
        1, and are evidence in the direction asked for.
    evidence : Evidence
        Which evidence counts in maps that have a sign.
    """

    kind: str = field(default="agreement", init=False)
    networks: int = 0
    top_share: float = 0.1
    evidence: Evidence = Evidence.FOR

    @property
    def word(self) -> str:
        """What it is called in file names and on the command line."""
        return "agreement_against" if self.evidence is Evidence.AGAINST else self.kind


Aggregation = Mean | Agreement
"""A way to take maps together."""

AGGREGATES: dict[str, Aggregation] = {
    one.word: one for one in (Mean(), Agreement(), Agreement(evidence=Evidence.AGAINST))
}
"""The ways by their words, with their defaults."""

Aggregations = str | Aggregation | Sequence[str | Aggregation]
"""One way or several, as words or with parameters."""


@dataclass(frozen=True)
class AggregatedNetwork:
    """A network whose map went into an aggregate.

    Parameters
    ----------
    model : ModelVersion
        The network.
    scale : float
        What its map was divided by (mean), or the magnitude from which on it points (agreement). 0: it is zero
        everywhere, or points nowhere.
    """

    model: ModelVersion
    scale: float


@dataclass(frozen=True)
class AggregateOrigin:
    """What an aggregate was made of.

    Parameters
    ----------
    aggregation : Mean or Agreement, optional
        How, with defaults worked out. None where this client does not know the way.
    networks : tuple of AggregatedNetwork
        Whose maps went in, in voting order.
    missing : tuple of ModelVersion
        The networks that gave no map; a failure says why.
    """

    aggregation: Aggregation | None
    networks: tuple[AggregatedNetwork, ...]
    missing: tuple[ModelVersion, ...]

    @property
    def words(self) -> str:
        """Say it for people."""
        number = len(self.networks) + len(self.missing)
        if isinstance(self.aggregation, Agreement):
            against = " against" if self.aggregation.evidence is Evidence.AGAINST else ""
            lacking = f", {len(self.missing)} without a map" if self.missing else ""
            return f"evidence{against} in {self.aggregation.networks} or more of {number} networks{lacking}"
        return f"mean of {len(self.networks)} of {number} networks"


@dataclass(frozen=True)
class Verdict:
    """What the networks say of the label of a map.

    Parameters
    ----------
    voted : bool
        Whether it was voted for: by the majority, itself or by a label that implies it; of a network outside of the
        model set, by that network.
    votes, voters : int
        Number of networks that vote for it themselves, and of networks that vote.
    mean_probability : float
        Mean of their probabilities, in [0, 1].
    """

    voted: bool
    votes: int
    voters: int
    mean_probability: float

    @property
    def words(self) -> str:
        """Say it for people."""
        return f"{'voted for' if self.voted else 'not voted for'}: {self.votes} of {self.voters}"
