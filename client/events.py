"""What happens in a job, event by event, and all of it together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from .aggregates import AggregateOrigin, Aggregation, Verdict
from .job import JobState
from .precision import Precision
from .quality import Measurement, OutsideLungs
from .results import Affine, Classification, Completeness, ModelVersion, Sign

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Classified",
    "Event",
    "ExplainedOutput",
    "Explanation",
    "Failure",
    "FailureReason",
    "Heatmap",
    "Item",
    "ItemEstimate",
    "ItemSummary",
    "ModelInput",
    "Progress",
    "Summary",
    "Target",
    "TargetReason",
]


class TargetReason(str, Enum):
    """Why a label is explained."""

    UNSPECIFIED = "unspecified"
    ASKED = "asked"
    """The caller named it or asked for all."""
    PREDICTED = "predicted"
    """The majority voted for it."""
    TOP = "top"
    """The majority voted for nothing; this label has the highest mean probability."""
    NOT_PREDICTED = "not_predicted"
    """The majority did not vote for it, and labels without a majority were asked for."""


class FailureReason(str, Enum):
    """What kind of failure."""

    UNSPECIFIED = "unspecified"
    METHOD = "method"
    NOT_APPLICABLE = "not_applicable"
    WORKER = "worker"
    CANCELLED = "cancelled"
    DEADLINE = "deadline"
    INVALID_RESULT = "invalid_result"
    TOO_FEW_NETWORKS = "too_few_networks"
    OUT_OF_MEMORY = "out_of_memory"
    """The item needs more memory than a worker may take."""


class ExplainedOutput(str, Enum):
    """The number of a network, or of the ensemble, that is explained."""

    UNSPECIFIED = "unspecified"
    LOGIT = "logit"
    PROBABILITY = "probability"
    """After the sigmoid; of the ensemble, the mean of its networks' probabilities."""
    VOTES = "votes"
    """Of the ensemble alone: the share of its networks that vote for the label."""


MISSED_SHARE = 0.05
"""Share of the change of the output from which on a map that misses it should say so."""


@dataclass(frozen=True)
class Target:
    """A label to explain, and why."""

    label: str
    reason: TargetReason


@dataclass(frozen=True)
class Item:
    """One method on one network or on the ensemble, or one aggregation of its maps, for one or more labels."""

    model: ModelVersion
    method: str
    labels: tuple[str, ...]
    aggregation: Aggregation | None = None


@dataclass(frozen=True)
class ItemEstimate:
    """What an item is estimated to cost; rough until the server has run the like.

    Parameters
    ----------
    passes : int
        Work, in forward passes or their equivalent (a backward pass counts two); 0 where it shares another item's
        passes, and for an aggregate.
    elapsed_s : float
        Time that a worker will need, loading the network not included, in seconds.
    shared_pass : int
        Items with the same number share their passes and run together on one worker; 0: shares none.
    """

    passes: int
    elapsed_s: float
    shared_pass: int


@dataclass(frozen=True)
class ItemSummary:
    """What became of an item.

    Parameters
    ----------
    item : Item
        The item.
    delivered : tuple of str
        The labels whose final map was delivered.
    elapsed_s, waited_s : float
        How long it ran, and how long it waited for a worker, in seconds.
    forward_passes : int
        Number of samples that went forward through the network.
    failure : FailureReason, optional
        Why labels are missing; None where none is.
    measured_passes : int
        Of the samples, those that measures of the maps took; 0 from servers that do not tell.
    """

    item: Item
    delivered: tuple[str, ...]
    elapsed_s: float
    waited_s: float
    forward_passes: int
    failure: FailureReason | None
    measured_passes: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Event:
    """Something that happened in a job.

    Parameters
    ----------
    job_id, request_id : str
        The server's identifier of the job and the caller's of the request.
    sequence : int
        1 for the job's first event, one more for each that follows.
    time : datetime
        When it happened, by the server's clock.
    """

    job_id: str
    request_id: str
    sequence: int
    time: datetime


@dataclass(frozen=True, kw_only=True, eq=False)
class Classified(Event):
    """The networks' votes, and the plan: what will be worked on, or of a dry run would be, and what it will cost.

    Parameters
    ----------
    classification : Classification
        The votes.
    targets : tuple of Target
        The labels to explain.
    items : tuple of Item
        What is worked on, in the order in which it is started.
    estimates : tuple of ItemEstimate
        What each item costs, in the same order; empty from a server that does not tell.
    estimated_work_s : float, optional
        Time that one worker needs for all of it, in seconds; None from a server that does not tell.
    estimated_wait_s : float, optional
        Time until a worker begins with it, in seconds, from what waits now; None from a server that does not tell.
    """

    classification: Classification
    targets: tuple[Target, ...]
    items: tuple[Item, ...]
    estimates: tuple[ItemEstimate, ...] = ()
    estimated_work_s: float | None = None
    estimated_wait_s: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Progress(Event):
    """How far an item is.

    Parameters
    ----------
    item : Item
        The item.
    done, total : int
        Work done and all of its work, in forward passes or their equivalent.
    job_fraction : float
        Share of the whole job that is done, in [0, 1].
    """

    item: Item
    done: int
    total: int
    job_fraction: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Heatmap(Event):
    """The attribution of one label on one network or on the ensemble, reduced to one plane; or an aggregate of these.

    Parameters
    ----------
    model : ModelVersion
        The network and the version of its weights; ``"chest_xray"`` and the version of the model set for the ensemble.
    method, label : str
        What was computed, and of which label.
    parameters : dict
        What the method ran with, defaults included.
    output : ExplainedOutput
        The output that is explained.
    output_value : float
        Its value on this X-ray: a logit, or a probability or a share of votes in [0, 1]. Of an aggregate: the mean of
        the networks' values.
    final : bool
        Whether the map is done; a partial one estimates it.
    fraction : float
        Share of the item's work that went into it, in [0, 1].
    sign : Sign
        Whether values have a sign.
    completeness : Completeness
        Whether the attribution sums to the change of the output.
    convergence_delta : float, optional
        Sum of the attribution minus the change of the output, in units of the output.
    facts : dict of str to float
        What else the method found out about the map; its description says what each means.
    values : ndarray of float32, shape (height, width)
        The map, on the pixels of the network's input. Read-only.
    attribution : ndarray of float32, shape (channels, height, width), optional
        Before it was reduced; present where asked for and the map is final. Read-only.
    affine : Affine
        From the map's pixels to the original image's.
    elapsed_s : float
        Wall-clock time spent on the item so far, in seconds.
    intended_use : str
        To be shown wherever the map is.
    aggregate : AggregateOrigin, optional
        What the map was made of; None where it was computed.
    verdict : Verdict, optional
        What the networks say of the label; None from a server that does not tell.
    resampling_error : float, optional
        Of the ensemble: largest change of a network's probability for the label when the X-ray reaches it by way of
        the pixels that are perturbed rather than directly. What sharing one perturbed image may cost.
    measurements : tuple of Measurement
        What was measured of a final map of a network, one for each measure asked for.
    outside_lungs : OutsideLungs, optional
        How much of a final map's evidence lies outside the lungs, where that was asked for.
    precision : Precision
        In which the networks computed it; unspecified where the server knows float32 alone.
    """

    model: ModelVersion
    method: str
    parameters: dict[str, Any]
    label: str
    output: ExplainedOutput
    output_value: float
    final: bool
    fraction: float
    sign: Sign
    completeness: Completeness
    convergence_delta: float | None
    facts: dict[str, float] = field(default_factory=dict)
    values: NDArray[np.float32] = field(repr=False)
    attribution: NDArray[np.float32] | None = field(repr=False)
    affine: Affine
    elapsed_s: float
    intended_use: str
    aggregate: AggregateOrigin | None = None
    verdict: Verdict | None = None
    resampling_error: float | None = None
    measurements: tuple[Measurement, ...] = ()
    outside_lungs: OutsideLungs | None = None
    precision: Precision = Precision.UNSPECIFIED

    @property
    def missed_share(self) -> float | None:
        """How much of the change of the output the map misses: |convergence delta| / |change|; None where it has none.

        Of a quadrature that has not converged it may be above 1; more steps or samples make it smaller.
        """
        change = self.facts.get("output_change")
        if self.convergence_delta is None or not change:
            return None
        return abs(self.convergence_delta / change)

    @property
    def aggregation(self) -> str | None:
        """The word for how the map was made of others: ``"mean"`` and the like; None where it was computed."""
        if self.aggregate is None:
            return None
        return self.aggregate.aggregation.word if self.aggregate.aggregation is not None else "aggregate"


@dataclass(frozen=True, kw_only=True, eq=False)
class Failure(Event):
    """An item that gave no final map for some labels.

    Parameters
    ----------
    item : Item
        The item, with the labels that are missing.
    reason : FailureReason
        What kind of failure.
    message : str
        In words; an internal error has an id to look up in the server's log.
    """

    item: Item
    reason: FailureReason
    message: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelInput(Event):
    """The tensor that a network saw, after scaling and normalisation.

    Parameters
    ----------
    model : ModelVersion
        The network.
    values : ndarray of float32, shape (channels, height, width)
        The tensor. Read-only.
    affine : Affine
        From its pixels to the original image's.
    """

    model: ModelVersion
    values: NDArray[np.float32] = field(repr=False)
    affine: Affine


@dataclass(frozen=True, kw_only=True, eq=False)
class Summary(Event):
    """What ran, what it cost, what is missing. The last event of a job.

    Parameters
    ----------
    state : JobState
        How the job ended.
    items : tuple of ItemSummary
        What became of every item.
    elapsed_s, classification_elapsed_s : float
        Wall-clock time of the whole job and of its classification, in seconds.
    intended_use : str
        To be shown with the results.
    """

    state: JobState
    items: tuple[ItemSummary, ...]
    elapsed_s: float
    classification_elapsed_s: float
    intended_use: str


@dataclass(frozen=True, eq=False)
class Explanation:
    """All that a job gave: its events, sorted.

    Parameters
    ----------
    job_id, request_id : str
        The server's identifier of the job and the caller's of the request.
    classification : Classification, optional
        The votes; None where the job did not come so far, or the stream was joined later.
    targets : tuple of Target
        The labels explained.
    items : tuple of Item
        What was to be worked on.
    estimates : tuple of ItemEstimate
        What each item was estimated to cost, in the same order.
    estimated_work_s, estimated_wait_s : float, optional
        Time that one worker was estimated to need for all of it, and time until one begins, in seconds.
    heatmaps : tuple of Heatmap
        The final maps, in the order in which they came.
    inputs : tuple of ModelInput
        What each network saw, where asked for.
    failures : tuple of Failure
        What is missing, and why.
    summary : Summary, optional
        How it ended; None where it was left before.
    """

    job_id: str
    request_id: str
    classification: Classification | None = None
    targets: tuple[Target, ...] = ()
    items: tuple[Item, ...] = ()
    estimates: tuple[ItemEstimate, ...] = ()
    estimated_work_s: float | None = None
    estimated_wait_s: float | None = None
    heatmaps: tuple[Heatmap, ...] = ()
    inputs: tuple[ModelInput, ...] = ()
    failures: tuple[Failure, ...] = ()
    summary: Summary | None = None

    @classmethod
    def of(cls, events: list[Event], *, job_id: str = "", request_id: str = "") -> Explanation:
        """Sort a job's events.

        Parameters
        ----------
        events : list of Event
            In their order; partial maps are left out.
        job_id, request_id : str
            The identifiers, for a job that has no event yet.

        Returns
        -------
        Explanation
            The same, by kind.
        """
        classified = next((event for event in events if isinstance(event, Classified)), None)
        return cls(
            job_id=events[0].job_id if events else job_id,
            request_id=events[0].request_id if events else request_id,
            classification=classified.classification if classified else None,
            targets=classified.targets if classified else (),
            items=classified.items if classified else (),
            estimates=classified.estimates if classified else (),
            estimated_work_s=classified.estimated_work_s if classified else None,
            estimated_wait_s=classified.estimated_wait_s if classified else None,
            heatmaps=tuple(event for event in events if isinstance(event, Heatmap) and event.final),
            inputs=tuple(event for event in events if isinstance(event, ModelInput)),
            failures=tuple(event for event in events if isinstance(event, Failure)),
            summary=next((event for event in events if isinstance(event, Summary)), None),
        )

    def heatmap(self, model: str, label: str, method: str, aggregate: str | None = None) -> Heatmap:
        """Return one final map.

        Parameters
        ----------
        model, label, method : str
            What to look for.
        aggregate : "mean", "agreement" or "agreement_against", optional
            An aggregate, whose model is ``"chest_xray"``. Default: a map that was computed.

        Returns
        -------
        Heatmap
            The map.

        Raises
        ------
        KeyError
            There is no such map; :attr:`failures` may say why.
        """
        for heatmap in self.heatmaps:
            found = (heatmap.model.name, heatmap.label, heatmap.method, heatmap.aggregation)
            if found == (model, label, method, aggregate):
                return heatmap
        raise KeyError((model, label, method, *([aggregate] if aggregate else [])))

    def model_input(self, model: str) -> ModelInput | None:
        """Return what a network saw, or None where it was not asked for.

        Parameters
        ----------
        model : str
            The network's name.

        Returns
        -------
        ModelInput or None
            Its input.
        """
        return next((seen for seen in self.inputs if seen.model.name == model), None)
