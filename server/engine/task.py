"""What goes to an explanation worker, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...handlers.brightness import BrightnessStatistics
from ...handlers.calibration import Calibration
from ...handlers.card import InputSpec, ModelCard
from ...handlers.geometry import Affine
from ...handlers.repository import Repository
from ...plugins.contract import Output, Precision
from .measurement import Measurement, MeasureTask

__all__ = [
    "FailureReason",
    "ItemTask",
    "MeasureTask",
    "Measurement",
    "ModelRef",
    "Output",
    "Precision",
    "VoterRef",
    "WorkerDone",
    "WorkerEvent",
    "WorkerFailure",
    "WorkerInput",
    "WorkerMap",
    "WorkerProgress",
]

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class ModelRef:
    """One version of one network, as a worker finds it.

    Parameters
    ----------
    name : str
        The network.
    version : int
        Its version.
    path : Path
        Its TorchScript copy, ``model.pt``; the same on every machine of the cluster.
    sha256 : str
        Checksum of that file, verified before it is loaded.
    input : InputSpec
        What the network expects to see.
    statistics : BrightnessStatistics, optional
        How bright its training films were, where its card says it.
    calibration : Calibration, optional
        Makes its probabilities those that are served, where its card has one.
    """

    name: str
    version: int
    path: Path
    sha256: str
    input: InputSpec
    statistics: BrightnessStatistics | None = field(default=None, repr=False)
    calibration: Calibration | None = None

    @classmethod
    def of(cls, card: ModelCard, repository: Repository) -> ModelRef:
        """Return the reference to a version that has a TorchScript copy, from its card."""
        return cls(
            name=card.name,
            version=card.version,
            path=repository.torchscript(card.name, card.version),
            sha256=card.files["model.pt"],
            input=card.input,
            statistics=card.brightness,
            calibration=card.calibration,
        )


@dataclass(frozen=True)
class VoterRef:
    """A network that votes, as a worker finds it, with its threshold for each label in [0, 1]."""

    model: ModelRef
    thresholds: tuple[float, ...]

    @classmethod
    def of(cls, card: ModelCard, repository: Repository) -> VoterRef:
        """Return the reference to a version that votes, from its card."""
        return cls(ModelRef.of(card, repository), tuple(label.threshold for label in card.labels))


@dataclass(frozen=True)
class ItemTask:
    """One method on one network, or on the vote of several, for some labels of one X-ray.

    Parameters
    ----------
    job_id : str
        The job. All of its tasks are about the same image.
    item_id : str
        Unique among the job's tasks.
    image : bytes
        The encoded X-ray, accepted by the decoder before. Never part of the representation.
    model : ModelRef
        The network. For a vote, the network on whose grid the image is perturbed.
    method : str
        Name of the method.
    parameters : mapping
        Its parameters as JSON values, validated before.
    targets : tuple of int
        Indices of the outputs to explain, at least one, without repetition.
    output : Output
        The output that is explained; of a vote, the votes or the probability.
    partial : bool
        Whether maps that are still being computed are wanted.
    want_input : bool
        Whether the tensor that the network saw is wanted.
    want_attribution : bool
        Whether final attributions are wanted before they are reduced to one plane.
    voters : tuple of VoterRef
        Where the vote of several networks is explained: these, in voting order.
    measures : tuple of MeasureTask
        What to measure of every final map; of a network's alone.
    precision : Precision
        In which networks compute, for the method and for the measures.
    """

    job_id: str
    item_id: str
    image: bytes = field(repr=False)
    model: ModelRef
    method: str
    parameters: Mapping[str, Any]
    targets: tuple[int, ...]
    output: Output = Output.LOGIT
    partial: bool = False
    want_input: bool = False
    want_attribution: bool = False
    voters: tuple[VoterRef, ...] = ()
    measures: tuple[MeasureTask, ...] = ()
    precision: Precision = Precision.FLOAT32


@dataclass(frozen=True, eq=False)
class WorkerInput:
    """The tensor that the network sees. The first event of a task that wants it.

    Parameters
    ----------
    tensor : ndarray of float32, shape [channels, height, width]
        After scaling and normalisation.
    affine : Affine
        From its pixels to those of the X-ray.
    """

    tensor: FloatArray = field(repr=False)
    affine: Affine


@dataclass(frozen=True)
class WorkerProgress:
    """Work done.

    Parameters
    ----------
    done, total : int
        Forward passes or their equivalent, 0 <= done <= total.
    """

    done: int
    total: int


@dataclass(frozen=True, eq=False)
class WorkerMap:
    """A map of one target, partial or final.

    Parameters
    ----------
    target : int
        Index of the explained output.
    heatmap : ndarray of float32, shape [height, width]
        The attribution, reduced to one plane.
    values : ndarray of float32, shape [channels, height, width], optional
        The attribution; only where it is final and wanted.
    affine : Affine
        From the map's pixels to those of the X-ray.
    final : bool
        Whether the map is done.
    fraction : float
        Share of the work that went into it, in [0, 1].
    convergence_delta : float, optional
        See :class:`~radiolucent.plugins.contract.Attribution`.
    output_value : float
        The explained output on this X-ray.
    elapsed_s : float
        Seconds since the worker began with the task.
    facts : mapping of str to float
        What else the method found out about the map.
    resampling_error : float, optional
        Of a vote; see :meth:`~radiolucent.server.engine.vote.VoteNetwork.resampling_error`.
    measurements : tuple of Measurement
        Of a final map: one for each measure of the task, in its order.
    """

    target: int
    heatmap: FloatArray = field(repr=False)
    values: FloatArray | None = field(repr=False)
    affine: Affine
    final: bool
    fraction: float
    convergence_delta: float | None
    output_value: float
    elapsed_s: float
    facts: Mapping[str, float] = field(default_factory=dict)
    resampling_error: float | None = None
    measurements: tuple[Measurement, ...] = ()


@dataclass(frozen=True)
class WorkerDone:
    """Every target has its final map. The last event of a task that went well.

    Parameters
    ----------
    forward_passes : int
        Samples that went forward through the network.
    elapsed_s : float
        Seconds that the worker spent on the task.
    setup_s : float
        Of these, what went by before the method began: loading its network.
    measured_passes : int
        Of the samples, those that measures took.
    measured_s : float
        Of the seconds, those that measures took.
    partial_passes : int
        Of the samples, those of which the method had only what changed computed.
    processor_s : float
        Seconds of the processor that the method itself took, all threads together; 0 where it is not known.
    """

    forward_passes: int
    elapsed_s: float
    setup_s: float = 0.0
    measured_passes: int = 0
    measured_s: float = 0.0
    partial_passes: int = 0
    processor_s: float = 0.0


class FailureReason(Enum):
    """Why targets have no final map; named as in the protocol."""

    METHOD = "method"
    """The method raised an error, or the network's copy could not be loaded."""
    NOT_APPLICABLE = "not_applicable"
    """The method cannot be applied to this network or with these parameters."""
    WORKER = "worker"
    """The worker died or hung, twice."""
    CANCELLED = "cancelled"
    """The job was stopped."""
    DEADLINE = "deadline"
    """The deadline passed."""
    INVALID_RESULT = "invalid_result"
    """The method returned something other than it declares."""
    TOO_FEW_NETWORKS = "too_few_networks"
    """Too few networks gave a map to aggregate."""
    OUT_OF_MEMORY = "out_of_memory"
    """It needs more memory than a worker may take."""


@dataclass(frozen=True)
class WorkerFailure:
    """Some targets will have no final map. The last event of a task that did not go well.

    Parameters
    ----------
    reason : FailureReason
        What kind of failure.
    message : str
        In words, for the caller; without anything of the patient or of the machine.
    missing : tuple of int
        The targets without a final map.
    error_id : str, optional
        Under which the server's log has the details; where there are any.
    details : str, optional
        For that log: the error's type and where it was raised, but not its words, which may quote the image.
    forward_passes : int
        Samples that went forward through the network.
    elapsed_s : float
        Seconds that workers spent on the task.
    measured_passes : int
        Of the samples, those that measures took.
    """

    reason: FailureReason
    message: str
    missing: Sequence[int]
    error_id: str | None = None
    details: str | None = field(default=None, repr=False)
    forward_passes: int = 0
    elapsed_s: float = 0.0
    measured_passes: int = 0


WorkerEvent = WorkerInput | WorkerProgress | WorkerMap | WorkerDone | WorkerFailure
"""Progress may be dropped when there is much of it, and so may partial maps; everything else arrives, in order."""
