"""What an audit of explanations found: the one document from which its reports are made."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ...handlers.card import INTENDED_USE
from ..comparing import Side
from ..statistics.score import Score
from .disagreement import DisagreementAndError

__all__ = [
    "Agreeing",
    "AgainstAverage",
    "AuditResult",
    "AuditSettings",
    "Claim",
    "Contrast",
    "DeadMaps",
    "MethodsBeingWrong",
    "Missing",
    "Place",
    "RankAgreement",
    "Ranking",
    "ScopeRecord",
    "Summary",
    "Unranked",
    "Verdict",
]

Of = Literal["networks", "methods"]
Verdict = Literal["holds", "does not hold", "cannot be told here"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AuditSettings(_Record):
    """How intervals and ranks were made."""

    resamples: int
    """Of the paired bootstrap over groups of patients."""
    seed: int
    """Of its random numbers."""
    minimum_patients: int
    """Below it a number is not estimable."""
    level: float
    """Of significance, after Holm's correction."""


class ScopeRecord(_Record):
    """Which films a number is over."""

    name: str
    """``all``, ``true positives``, or ``source <name>``."""
    words: str
    """In plain words."""


class Summary(_Record):
    """The mean of a quantity over films."""

    quantity: str
    scope: str
    network: str
    method: str
    label: str | None
    """None: over all explained labels; a film counts once for each."""
    films: int
    patients: int
    """Groups of patients."""
    score: Score | None
    """None: not estimable."""


class Place(_Record):
    """The place of a network, or of a method, in a ranking."""

    name: str
    mean: Score
    """Over the cells that are compared."""
    rank: float
    """1 is best; those that tie share the mean of their ranks."""
    low: float
    high: float
    """The middle 95 % of its ranks over resamples."""
    keeps: float
    """Share of resamples in which it has the same rank."""
    first: float
    """Share of resamples in which none is better."""


class Ranking(_Record):
    """Networks, or methods, in the order of one quantity."""

    quantity: str
    scope: str
    of: Of
    films: int
    patients: int
    cells: int
    """Of networks: pairs of a film's label and a method in which every network has a value. Of methods: pairs of a
    film's label and a network in which every method has one."""
    cells_lost: int
    """Cells that left for all because one lacks its value."""
    left_out: dict[str, str]
    """Who is not compared, and why."""
    places: tuple[Place, ...]
    """Best first; empty: not estimable."""


class Unranked(_Record):
    """The means of networks, or of methods, by a quantity that is told and not ranked; cells as of `Ranking`."""

    quantity: str
    scope: str
    of: Of
    films: int
    patients: int
    cells: int
    means: dict[str, Score]
    """Over the cells that are compared; empty: not estimable."""


class RankAgreement(_Record):
    """How alike two quantities order networks, or methods."""

    of: Of
    first: str
    first_scope: str
    second: str
    second_scope: str
    """Quantities and over which films; the score of the cards is ``micro_f1`` over ``cards``."""
    compared: int
    """How many networks or methods both order."""
    tau: Score
    """Kendall's tau-b, in [-1, 1]: 1 is the same order, -1 the reverse."""


class AgainstAverage(_Record):
    """A localisation number beside that of the average mask on the same films."""

    quantity: str
    scope: str
    network: str
    method: str
    films: int
    patients: int
    map: Score | None
    average_mask: Score | None
    """None: not measured, or not estimable."""
    difference: Score | None
    """Map minus average mask, paired."""
    chance: Score | None
    """What a map without knowledge gets in expectation."""


class Agreeing(_Record):
    """How alike the maps of two networks, or of two methods, are."""

    between: Of
    first: str
    second: str
    quantity: str
    films: int
    patients: int
    score: Score | None
    """Over films, labels, and what both have (methods or networks); None: not estimable."""


class MethodsBeingWrong(_Record):
    """Whether the methods agree less on films whose label a network misses."""

    network: str
    quantity: str
    right: Side
    """Label-film pairs in which the label is said."""
    wrong: Side
    """In which it is missed."""
    agreement_right: Score | None
    agreement_wrong: Score | None
    difference: Score | None
    """Wrong minus right; None: not estimable."""


class Contrast(_Record):
    """One comparison on which a claim rests."""

    what: str
    """The quantity and scope, or what else is compared."""
    value: Score
    """Its sign and meaning are said by the claim."""
    p_holm: float | None
    """Two-sided, corrected for all contrasts of the claim; None where it cannot be told."""
    speaks: Literal["for", "against", "neither"]


class Claim(_Record):
    """A sentence of the paper, and what these numbers say to it."""

    name: str
    claim: str
    rule: str
    """From what the verdict follows, fixed beforehand."""
    verdict: Verdict
    why: str
    """With its numbers."""
    contrasts: tuple[Contrast, ...]
    meaning: str
    """What the values of the contrasts mean."""


class DeadMaps(_Record):
    """Feature maps of a network that never change."""

    network: str
    profile: str
    """The stored profile."""
    films: int
    """Of its groups together; groups may share films."""
    maps: int
    constant: int
    """Constant on every film."""
    unvarying: int
    """The same on every film, at every place."""


class Missing(_Record):
    """Maps, or measures of maps, that there are not, for the same reason."""

    what: str
    network: str
    method: str
    reason: str
    films: int
    items: int


class AuditResult(_Record):
    """Everything that was found. Numbers are rounded to six decimals."""

    schema_version: Literal[1] = 1
    """Of this document."""
    intended_use: str = INTENDED_USE
    """What it may be used for."""
    data: str
    split: str
    manifest_sha256: str
    created: datetime
    """When maps were measured."""
    films: int
    patients: int
    pairs: int
    """Pairs of a film and an explained label."""
    networks: tuple[str, ...]
    methods: tuple[str, ...]
    settings: AuditSettings
    shortcut_verdict: str
    scores: dict[str, dict[str, float]]
    """Of the cards."""
    scopes: tuple[ScopeRecord, ...]
    rule: str
    """By which contrasts become a verdict, where a claim has no rule of its own."""
    claims: tuple[Claim, ...]
    untestable: tuple[str, ...]
    """What of the paper these data cannot test."""
    rankings: tuple[Ranking, ...]
    unranked: tuple[Unranked, ...] = ()
    rank_agreement: tuple[RankAgreement, ...]
    against_average: tuple[AgainstAverage, ...]
    agreeing: tuple[Agreeing, ...]
    disagreement: tuple[DisagreementAndError, ...]
    """Of networks, and being wrong."""
    methods_being_wrong: tuple[MethodsBeingWrong, ...]
    dead_maps: tuple[DeadMaps, ...]
    missing: tuple[Missing, ...]
    summaries: tuple[Summary, ...]
