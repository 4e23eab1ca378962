"""What the server says of X-rays, networks, methods and itself, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from .likeness import Likeness
from .quality import Measure, Segmenter

__all__ = [
    "Affine",
    "BrokenPlugin",
    "Classification",
    "Completeness",
    "ImageSize",
    "InstanceReference",
    "Interval",
    "Label",
    "LabelVote",
    "Method",
    "MethodCatalogue",
    "Model",
    "ModelAnswer",
    "ModelCatalogue",
    "ModelDetails",
    "ModelSet",
    "ModelVersion",
    "Refusal",
    "ServerInfo",
    "Sign",
]

VERDICT_NOT_TOLD = "shortcut not excluded: the server does not tell"
"""The verdict where a server, older than this client, says nothing of it."""


@dataclass(frozen=True)
class InstanceReference:
    """A DICOM instance, named by its identifiers. The server echoes it and never logs it.

    Parameters
    ----------
    study_instance_uid, series_instance_uid, sop_instance_uid : str
        Identifiers of at most 64 characters; empty where unknown.
    frame_number : int
        1 or more; 0 where there is no frame.
    """

    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_instance_uid: str = ""
    frame_number: int = 0


@dataclass(frozen=True)
class Affine:
    """Map from a network's input grid to the original pixel grid: ``original = scale * input + offset``.

    Coordinates are continuous: pixel ``i`` covers ``[i, i + 1)``, its centre is at ``i + 0.5``.

    Parameters
    ----------
    scale_x, scale_y : float
        Original pixels per input pixel, along columns (x) and rows (y).
    offset_x, offset_y : float
        Original coordinates of the input's upper left corner; negative where the input is padded.
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    def point_to_original(self, x: float, y: float) -> tuple[float, float]:
        """Take a point of the input (column, row) to the original image.

        Parameters
        ----------
        x, y : float
            Continuous input coordinates.

        Returns
        -------
        tuple of float
            Continuous original coordinates (x, y); outside the image for points of the padding.
        """
        return self.scale_x * x + self.offset_x, self.scale_y * y + self.offset_y

    def point_to_input(self, x: float, y: float) -> tuple[float, float]:
        """Take a point of the original image (column, row) to the input.

        Parameters
        ----------
        x, y : float
            Continuous original coordinates.

        Returns
        -------
        tuple of float
            Continuous input coordinates (x, y).
        """
        return (x - self.offset_x) / self.scale_x, (y - self.offset_y) / self.scale_y

    def box_to_original(
        self, left: float, top: float, right: float, bottom: float
    ) -> tuple[float, float, float, float]:
        """Take a box of the input to the original image.

        Parameters
        ----------
        left, top, right, bottom : float
            Edges in continuous input coordinates.

        Returns
        -------
        tuple of float
            The same edges in continuous original coordinates.
        """
        return *self.point_to_original(left, top), *self.point_to_original(right, bottom)


@dataclass(frozen=True)
class ImageSize:
    """Size of an image in pixels."""

    height: int
    width: int


@dataclass(frozen=True)
class ModelVersion:
    """A network and the version of its weights."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


@dataclass(frozen=True)
class ModelSet:
    """Networks, thresholds and vote that belong together: the unit of release.

    Parameters
    ----------
    version : int
        Of the set.
    members : tuple of ModelVersion
        In voting order.
    created_time : datetime, optional
        When it was exported.
    verdict : str
        What the shortcut audit found of its majority vote, in plain words; see :class:`Model`.
    """

    version: int
    members: tuple[ModelVersion, ...]
    created_time: datetime | None = None
    verdict: str = VERDICT_NOT_TOLD


@dataclass(frozen=True)
class ModelAnswer:
    """What one network says; values in the order of the classification's labels.

    Parameters
    ----------
    model : ModelVersion
        The network and the weights that answered.
    probabilities : tuple of float
        Each in [0, 1]: the sigmoid of the logits, after the calibration of the network's card where it has one.
    logits : tuple of float
        Unbounded.
    votes : tuple of bool
        Whether the network votes for the label.
    """

    model: ModelVersion
    probabilities: tuple[float, ...]
    logits: tuple[float, ...]
    votes: tuple[bool, ...]


@dataclass(frozen=True)
class LabelVote:
    """What the networks say of one label together.

    Parameters
    ----------
    label : str
        The label's name.
    votes : int
        Number of networks that vote for it.
    majority : bool
        Whether more than half of them do, or vote for a label that implies it.
    mean_probability : float
        Mean of their probabilities, in [0, 1].
    """

    label: str
    votes: int
    majority: bool
    mean_probability: float


@dataclass(frozen=True)
class Classification:
    """The votes of the networks on one X-ray.

    Parameters
    ----------
    answers : tuple of ModelAnswer
        What each network says, in voting order.
    labels : tuple of LabelVote
        What they say together.
    majority : tuple of str
        The labels that the majority voted for, with those they imply.
    model_set : ModelSet
        The model set that answered.
    image_size : ImageSize
        Of the original image, as displayed.
    instance : InstanceReference, optional
        The reference that came with the X-ray.
    intended_use : str
        To be shown wherever the classification is.
    likeness : Likeness, optional
        How like the training data the X-ray is; None where the model set has no guard that could tell.
    """

    answers: tuple[ModelAnswer, ...]
    labels: tuple[LabelVote, ...]
    majority: tuple[str, ...]
    model_set: ModelSet
    image_size: ImageSize
    instance: InstanceReference | None
    intended_use: str
    likeness: Likeness | None = None

    @property
    def warning(self) -> str:
        """Why the votes must not be relied on, in plain words; empty where nothing is known against them."""
        return self.likeness.text if self.likeness is not None and self.likeness.warns else ""


@dataclass(frozen=True)
class Label:
    """A label that a network scores, the label it implies (or None) and the network's threshold in [0, 1]."""

    name: str
    implies: str | None
    threshold: float


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, in the number's own unit."""

    low: float
    high: float


@dataclass(frozen=True)
class Model:
    """What a network is, or the ensemble of a model set.

    Parameters
    ----------
    name : str
        The network's name, for example ``"resnet18"``.
    version : int
        The version of its weights.
    title, architecture : str
        For people, and in timm's words.
    labels : tuple of Label
        In the order of its outputs.
    input_channels, input_size : int
        Channels, and side of the square input in pixels; 0 for the ensemble.
    votes : bool
        Whether it votes in the serving model set.
    abilities : tuple of str
        What its copy can do for a method: ``"forward"``, ``"gradient"``, ``"modules"``.
    limitation : str
        Why an ability is missing; empty where none is.
    refusals : dict
        The methods that cannot explain it, by name, each with the reason.
    inspected : bool
        Whether it was found out how it can be explained; the three above say nothing before.
    metrics : dict
        Figures of its model card by name, for example ``micro_f1`` in [0, 1]. Show none without the verdict.
    created_time : datetime, optional
        When its weights were exported.
    intended_use : str
        To be shown wherever the model is.
    verdict : str
        What the shortcut audit found, in plain words: ``"shortcut excluded"``, or ``"shortcut not excluded"`` and why.
    baseline : str
        What the strongest predictors that know no medicine score on the same films, in words; empty where not known.
    calibrated : bool
        Whether its probabilities are calibrated.
    intervals : dict
        95 % intervals of metrics, by the same names; only of those that were estimated.
    """

    name: str
    version: int
    title: str
    architecture: str
    labels: tuple[Label, ...]
    input_channels: int
    input_size: int
    votes: bool
    abilities: tuple[str, ...]
    limitation: str
    refusals: dict[str, str]
    inspected: bool
    metrics: dict[str, float] = field(hash=False)
    created_time: datetime | None
    intended_use: str
    verdict: str = VERDICT_NOT_TOLD
    baseline: str = ""
    calibrated: bool = False
    intervals: dict[str, Interval] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Refusal:
    """A model or model set that was found but is not served, and why."""

    name: str
    version: int
    reason: str


@dataclass(frozen=True)
class ModelCatalogue:
    """All that is served: networks (the voting ones first), the serving model set, and what was refused.

    `ensemble` is the serving set as one classifier; None where no set is served, or the server does not tell.
    """

    models: tuple[Model, ...]
    serving: ModelSet | None
    refused: tuple[Refusal, ...]
    intended_use: str
    ensemble: Model | None = None


@dataclass(frozen=True)
class ModelDetails:
    """One network, or the ensemble, with its model card, the parsed content of ``card.json``."""

    model: Model
    card: dict[str, Any] = field(hash=False)


class Sign(str, Enum):
    """Whether the values of a map have a sign."""

    UNSPECIFIED = "unspecified"
    SIGNED = "signed"
    """Positive values speak for the label, negative ones against it."""
    UNSIGNED = "unsigned"
    """Values are 0 or more: how much a place matters, not in which direction."""


class Completeness(str, Enum):
    """Whether an attribution sums to the change of the output from the baseline to the X-ray."""

    UNSPECIFIED = "unspecified"
    EXACT = "exact"
    IN_EXPECTATION = "in_expectation"
    NONE = "none"


@dataclass(frozen=True)
class Method:
    """An explanation method.

    Parameters
    ----------
    name : str
        For example ``"integrated_gradients"``.
    title, description, reference : str
        For people; the paper behind it.
    parameters_schema : dict
        JSON Schema (2020-12) of its parameters, with defaults, units and ranges.
    needs : tuple of str
        What it needs of a network: ``"forward"``, ``"gradient"``, ``"modules"``.
    sign : Sign
        Whether its maps have a sign.
    completeness : Completeness
        Whether its attributions are complete.
    distribution, distribution_version : str
        The distribution that brings it.
    needs_float32 : str
        Why it is not computed in bfloat16; empty where it is.
    """

    name: str
    title: str
    description: str
    reference: str
    parameters_schema: dict[str, Any] = field(hash=False)
    needs: tuple[str, ...]
    sign: Sign
    completeness: Completeness
    distribution: str
    distribution_version: str
    needs_float32: str = ""


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that could not be loaded, the distribution that brings it, and why."""

    name: str
    distribution: str
    reason: str


@dataclass(frozen=True)
class MethodCatalogue:
    """The methods, measures of quality and segmenters, by name, and the plugins that could not be loaded."""

    methods: tuple[Method, ...]
    broken_plugins: tuple[BrokenPlugin, ...]
    measures: tuple[Measure, ...] = ()
    segmenters: tuple[Segmenter, ...] = ()


@dataclass(frozen=True)
class ServerInfo:
    """Versions and limits of the server.

    Parameters
    ----------
    version : str
        Of radiolucent.
    component_versions : dict
        Versions of what it is made of, by name.
    max_upload_bytes, max_image_pixels, max_jobs : int
        Largest file, largest image (rows times columns), most jobs waiting or running at a time.
    result_retention_s : float
        How long results of a finished job are kept, in seconds.
    result_retention_bytes : int
        Memory for results of finished jobs; the oldest go first.
    explanation_workers : int
        Number of workers.
    heartbeat_interval_s : float
        A silent stream carries a heartbeat this often, in seconds.
    intended_use : str
        To be shown wherever results are.
    """

    version: str
    component_versions: dict[str, str] = field(hash=False)
    max_upload_bytes: int
    max_image_pixels: int
    max_jobs: int
    result_retention_s: float
    result_retention_bytes: int
    explanation_workers: int
    heartbeat_interval_s: float
    intended_use: str
