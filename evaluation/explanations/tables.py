"""The stored tables from which every number of an audit of explanations can be had again: no pixel is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ...handlers.card import Label
from ...plugins.measures import Better

__all__ = ["Agreed", "AuditHead", "AuditTables", "AuditedFilm", "Failed", "Measured", "MethodAsked", "Quantity"]

Family = Literal[
    "faithfulness",
    "robustness",
    "randomisation",
    "complexity",
    "localisation",
    "lungs",
    "completeness",
    "cost",
    "precision",
]


class Quantity(BaseModel):
    """What a number of ``measurements.csv`` means."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """As the column ``quantity`` has it: ``deletion.above_random`` is the value ``above_random`` of ``deletion``."""
    title: str
    description: str
    """With unit and range."""
    family: Family
    better: Better
    reference: str = ""
    variant: str = ""
    """Which code computed it, with which parameters."""
    parameters: dict[str, Any] = {}


class MethodAsked(BaseModel):
    """A method and the parameters that it ran with, defaults included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    parameters: dict[str, Any]
    signed: bool


class AuditedFilm(BaseModel):
    """A film, and what the networks said of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    group: str
    source: str
    view: str
    known: dict[str, bool]
    """Labels that are known to be true or false."""
    explained: tuple[str, ...]
    """Labels whose maps were asked for: true ones."""
    probabilities: dict[str, dict[str, float]]
    """By network, then by label: served (calibrated) probabilities; ``mean`` is the mean of the networks."""
    called: dict[str, tuple[str, ...]]
    """By network, and by ``majority``: the labels that it says."""
    lung_kind: str = ""
    """What its lung mask calls lung, as `lung_masks` names kinds; empty: it has none, or that is not told. Boxes around
    the lungs need no word here: numbers by them have names of their own."""


class AuditHead(BaseModel):
    """``audit.json``: what the other tables mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    manifest_sha256: str
    split: str
    labels: tuple[Label, ...]
    networks: tuple[str, ...]
    """In voting order."""
    network_versions: dict[str, int]
    network_weights: dict[str, str] = {}
    """Checksum of each network's weights, where the server told."""
    input_sizes: dict[str, int]
    """Side of each network's input, pixels."""
    methods: tuple[MethodAsked, ...]
    quantities: tuple[Quantity, ...]
    films: tuple[AuditedFilm, ...]
    chosen: str
    """How the films were chosen of the split, in words."""
    precision: str = ""
    """What was not computed in float32 and what that did, in words; empty: all was."""
    seed: int
    seconds: float
    """Wall-clock time of explaining and measuring, of all runs together."""
    worker_seconds: dict[str, float] = {}
    """Time of workers by what it went into: ``method <name>`` and ``measure <name>``."""
    created: datetime
    versions: dict[str, str] = {}
    shortcut_verdict: str = ""
    """Verdict of the model set's card on shortcuts."""
    scores: dict[str, dict[str, float]] = {}
    """By network (and ``majority``): scores of the card on all test films, such as ``micro_f1``."""


@dataclass(frozen=True)
class Measured:
    """One row of ``measurements.csv``: a number about one map (or about a stand-in for one, such as the average mask).

    Parameters
    ----------
    file, network, method, label : str
        Whose map it is. The method ``average_mask`` is no method but the mean of the training films' masks.
    quantity : str
        See `Quantity`.
    value : float
        The number.
    """

    file: str
    network: str
    method: str
    label: str
    quantity: str
    value: float


@dataclass(frozen=True)
class Agreed:
    """One row of ``agreement.csv``: how alike two maps of one film and label are.

    Parameters
    ----------
    file, label : str
        Of what.
    between : str
        ``networks`` (two networks, one method) or ``methods`` (two methods, one network).
    of : str
        The method, or the network, that both have.
    first, second : str
        The two networks, or methods.
    quantity : str
        ``spearman`` (rank correlation, in [-1, 1]) or ``top_overlap`` (intersection over union of the strongest tenth,
        in [0, 1]).
    value : float
        The number.
    """

    file: str
    label: str
    between: str
    of: str
    first: str
    second: str
    quantity: str
    value: float


@dataclass(frozen=True)
class Failed:
    """One row of ``failures.csv``: a map, or a measure of one, that there is not.

    Parameters
    ----------
    file, network, method, label : str
        Whose. Empty where it is true of all.
    what : str
        ``map``, or the name of a measure, ``localisation``, ``lungs``.
    reason : str
        In words.
    """

    file: str
    network: str
    method: str
    label: str
    what: str
    reason: str


@dataclass(frozen=True)
class AuditTables:
    """All of them.

    Parameters
    ----------
    head : AuditHead
        What they mean.
    measured, agreed, failed : sequence
        Their rows, ordered by film, network, method, label, quantity.
    """

    head: AuditHead
    measured: Sequence[Measured]
    agreed: Sequence[Agreed]
    failed: Sequence[Failed]

    def films(self) -> Mapping[str, AuditedFilm]:
        """Return the films by the name of their file."""
        return {film.file: film for film in self.head.films}
