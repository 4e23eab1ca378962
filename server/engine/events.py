"""What happens in a job, as plain typed values. Servicers turn them into messages, nothing else does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from ...handlers.geometry import Affine
from ...plugins.contract import Completeness
from ..classifier import Classification
from .aggregation import Aggregation
from .measurement import Measurement
from .task import FailureReason, FloatArray, Output, Precision

__all__ = [
    "AggregateOrigin",
    "Classified",
    "Event",
    "Failure",
    "Heartbeat",
    "Heatmap",
    "Item",
    "ItemEstimate",
    "ItemSummary",
    "JobState",
    "ModelInput",
    "OutsideLungs",
    "Progress",
    "Record",
    "Summary",
    "Target",
    "TargetReason",
    "Verdict",
]


class JobState(Enum):
    """What a job is doing; named as in the protocol."""

    RUNNING = "running"
    """It waits or runs."""
    DONE = "done"
    """Every item ended, well or not."""
    CANCELLED = "cancelled"
    """It was stopped by its caller, a lost client, a deadline or the end of the server."""
    FAILED = "failed"
    """It could not be worked on at all."""


class TargetReason(Enum):
    """Why a label is explained; named as in the protocol."""

    ASKED = "asked"
    PREDICTED = "predicted"
    TOP = "top"
    NOT_PREDICTED = "not_predicted"


@dataclass(frozen=True)
class Target:
    """A label to explain, and why."""

    label: str
    reason: TargetReason


@dataclass(frozen=True)
class Verdict:
    """What the networks say of a label.

    Attributes
    ----------
    voted
        Whether it was voted for: by the majority, implied labels included; of a network outside of the set, by that.
    votes, voters
        How many networks vote for it themselves, of how many.
    mean_probability
        In [0, 1].
    """

    voted: bool
    votes: int
    voters: int
    mean_probability: float


@dataclass(frozen=True)
class Item:
    """One method on one version of one network or of the ensemble, or an aggregation of its maps, for some labels."""

    model: str
    version: int
    method: str
    labels: tuple[str, ...]
    aggregation: Aggregation | None = None


@dataclass(frozen=True)
class AggregateOrigin:
    """The networks whose maps went into an aggregate, with their scales, and those that gave none.

    Attributes
    ----------
    networks
        Name, version and scale, in voting order; see :mod:`~radiolucent.server.engine.aggregation`.
    missing
        Name and version.
    """

    networks: tuple[tuple[str, int, float], ...]
    missing: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class ItemEstimate:
    """What an item will cost a worker.

    Attributes
    ----------
    passes
        Forward passes or their equivalent; 0 where those of another item are shared, and for an aggregate.
    seconds
        A worker's time, loading the network not included.
    shared_pass
        Items of one job with the same number share their passes; 0: this one shares none.
    """

    passes: int = 0
    seconds: float = 0.0
    shared_pass: int = 0


@dataclass(frozen=True)
class Classified:
    """The networks' votes, and what will be explained.

    Attributes
    ----------
    classification
        The votes.
    targets
        The labels.
    items
        In the order in which they are started.
    estimates
        What each of these will cost.
    wait_s
        Time until a worker begins, estimated, seconds.
    """

    classification: Classification
    targets: tuple[Target, ...]
    items: tuple[Item, ...]
    estimates: tuple[ItemEstimate, ...] = ()
    wait_s: float = 0.0


@dataclass(frozen=True)
class Progress:
    """How far an item is: `done` of `total` forward passes or their equivalent; `job_fraction` in [0, 1]."""

    item: Item
    done: int
    total: int
    job_fraction: float


@dataclass(frozen=True)
class OutsideLungs:
    """How much of a map's evidence lies outside the lungs.

    Attributes
    ----------
    share, area
        See :class:`~radiolucent.handlers.lungs.Outside`; None where it is not known.
    sentence
        The same to be shown, or why it is not known.
    segmenter
        Who drew the lungs; empty where the caller gave a mask.
    """

    share: float | None
    area: float | None
    sentence: str
    segmenter: str = ""


@dataclass(frozen=True, eq=False)
class Heatmap:
    """A map of one label, partial or final.

    Attributes
    ----------
    item, label
        Whose map it is.
    parameters
        What the method ran with, defaults included, as JSON values.
    output, output_value
        The explained output and its value on this X-ray.
    final, fraction
        Whether the map is done, and the share of the work that went into it, in [0, 1].
    signed, completeness
        What the numbers mean; see the method.
    convergence_delta
        In units of the output; None where it has no meaning.
    heatmap
        Float32 [height, width] in pixels of the network's input.
    attribution
        Float32 [channels, height, width], of a final map where it was asked for.
    affine
        From the map's pixels to those of the X-ray.
    elapsed_s
        Seconds spent on the item so far.
    facts
        What else the method found out about the map, by name.
    verdict
        What the networks say of the label.
    aggregate
        What the map was made of, where `item` is an aggregation.
    resampling_error
        Of a vote; see :meth:`~radiolucent.server.engine.vote.VoteNetwork.resampling_error`.
    measurements
        What was measured of it.
    outside_lungs
        How much of its evidence lies outside the lungs, where that was asked for.
    precision
        In which networks computed it.
    """

    item: Item
    label: str
    parameters: Mapping[str, Any]
    output: Output
    output_value: float
    final: bool
    fraction: float
    signed: bool
    completeness: Completeness
    convergence_delta: float | None
    heatmap: FloatArray = field(repr=False)
    attribution: FloatArray | None = field(repr=False)
    affine: Affine
    elapsed_s: float
    facts: Mapping[str, float] = field(default_factory=dict)
    verdict: Verdict | None = None
    aggregate: AggregateOrigin | None = None
    resampling_error: float | None = None
    measurements: tuple[Measurement, ...] = ()
    outside_lungs: OutsideLungs | None = None
    precision: Precision = Precision.FLOAT32


@dataclass(frozen=True)
class Failure:
    """Labels of an item (`item.labels`) that have no final map; the message is safe to show."""

    item: Item
    reason: FailureReason
    message: str


@dataclass(frozen=True, eq=False)
class ModelInput:
    """The tensor [channels, height, width] that a network saw, and the way to the X-ray's pixels."""

    model: str
    version: int
    tensor: FloatArray = field(repr=False)
    affine: Affine


@dataclass(frozen=True)
class ItemSummary:
    """What became of an item; times in seconds."""

    item: Item
    delivered: tuple[str, ...]
    elapsed_s: float
    waited_s: float
    forward_passes: int
    failure: FailureReason | None
    measured_passes: int = 0


@dataclass(frozen=True)
class Summary:
    """What ran, what it cost, what is missing. Times in seconds; without a classification its time is 0."""

    state: JobState
    items: tuple[ItemSummary, ...]
    elapsed_s: float
    classification_s: float


@dataclass(frozen=True)
class Heartbeat:
    """Nothing happened for a while."""


Event = Classified | Progress | Heatmap | Failure | ModelInput | Summary | Heartbeat


@dataclass(frozen=True)
class Record:
    """An event with its place in the job.

    Attributes
    ----------
    sequence
        1 for the job's first event; a heartbeat has that of the event before it.
    time
        When it happened, UTC.
    event
        What happened.
    """

    sequence: int
    time: datetime
    event: Event

    @property
    def nbytes(self) -> int:
        """Memory that its arrays take, bytes."""
        match self.event:
            case Heatmap(heatmap=heatmap, attribution=attribution):
                return int(heatmap.nbytes + (0 if attribution is None else attribution.nbytes))
            case ModelInput(tensor=tensor):
                return int(tensor.nbytes)
            case _:
                return 0
