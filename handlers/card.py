"""The model card: everything about one network's version that is data and not code."""

from __future__ import annotations

import os
from datetime import datetime
from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from .brightness import BrightnessStatistics
from .calibration import Calibration
from .card_file import load_record, save_record
from .evaluated import Estimate, Evaluation
from .label import CodedConcept, Label, check_labels
from .origin import DataRecord, Parity, ThresholdRecord, TrainingRecord
from .record import Name, Record, Sha256
from .wording import INTENDED_USE, LIMITATIONS, baseline_of, metrics_of, verdict_of

__all__ = [
    "INTENDED_USE",
    "CodedConcept",
    "DataRecord",
    "InputSpec",
    "Label",
    "ModelCard",
    "Name",
    "Parity",
    "Sha256",
    "ThresholdRecord",
    "TrainingRecord",
    "check_thresholds",
    "load_card",
    "save_card",
]


class InputSpec(Record):
    """What a network expects to see. Hashable: members with equal specs share one preprocessed image."""

    size: int = Field(ge=16, le=4096)
    """Side of the square input, pixels."""
    channels: int = Field(default=1, ge=1, le=16)
    """Copies of the grey plane."""
    mean: float = 0.0
    """Subtracted from brightness in [0, 1] ..."""
    std: float = Field(default=1.0, gt=0)
    """... which is then divided by this."""

    @property
    def black(self) -> float:
        """The value of a black pixel, and of the padding, in the network's input."""
        return (0.0 - self.mean) / self.std


class ModelCard(Record):
    """One version of one network."""

    schema_version: Literal[1] = 1
    """Of this document."""
    name: Name
    """Name of the model in the repository."""
    title: str = Field(min_length=1)
    """As shown to people."""
    version: int = Field(ge=1)
    """Version folder."""
    architecture: str = Field(min_length=1)
    """Name of the architecture, timm's where it is one of timm's."""
    source: Literal["trained", "imported"]
    """Made here, or brought by the user."""
    labels: tuple[Label, ...] = Field(min_length=1)
    """Outputs, in the order of the logits."""
    input: InputSpec
    """What the network expects."""
    training: TrainingRecord | None = None
    """How it was trained, where that is known."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Scores in [0, 1] by name, such as ``micro_f1``, as training measured them: without intervals or audit."""
    calibration: Calibration | None = None
    """What is applied to the logits before their sigmoid is served as probability; None: nothing. Thresholds are of
    calibrated probabilities; explanations are of the logits."""
    thresholds: tuple[ThresholdRecord, ...] = ()
    """How the labels' thresholds were chosen, in the order of the labels; empty: not recorded."""
    evaluation: Evaluation | None = None
    """What an evaluation and the shortcut audit found; None: it was not evaluated."""
    parity: Parity
    """How well its forms agree."""
    files: dict[str, Sha256]
    """Checksums of ``model.onnx`` and ``model.pt``, as far as they exist."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of the libraries that made it."""
    brightness: BrightnessStatistics | None = None
    """How bright the training films were; none where that is not known, or of too few films to be told."""
    created: datetime
    """When."""
    intended_use: str = INTENDED_USE
    """What it may be used for."""
    limitations: tuple[str, ...] = LIMITATIONS
    """What it cannot do, in plain words."""

    @model_validator(mode="after")
    def _labels_are_a_forest(self) -> Self:
        check_labels(self.labels)
        check_thresholds(self.labels, self.thresholds)
        if self.calibration is not None and len(self.calibration.scale) != len(self.labels):
            raise ValueError("the calibration is of other labels")
        return self

    @model_validator(mode="after")
    def _has_weights(self) -> Self:
        if not self.files or not set(self.files) <= {"model.onnx", "model.pt"}:
            raise ValueError("files must name model.onnx, model.pt or both, and nothing else")
        return self

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels, in the order of the logits."""
        return tuple(label.name for label in self.labels)

    @property
    def backend(self) -> Literal["onnxruntime", "pytorch"]:
        """The Triton backend that serves this version: ONNX Runtime unless there is no ONNX copy."""
        return "onnxruntime" if "model.onnx" in self.files else "pytorch"

    @property
    def verdict(self) -> str:
        """The shortcut audit's verdict, in plain words; it belongs beside every score."""
        return verdict_of(self.evaluation)

    @property
    def baseline(self) -> str:
        """What the strongest baselines that know no medicine score, in words; empty where that is not known."""
        return baseline_of(self.metrics, self.evaluation)

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Scores by name: of the evaluation, with intervals; where there is none, those of training."""
        return metrics_of(self.metrics, self.evaluation)

    def to_json(self) -> str:
        """Return the card as it is written to ``card.json``."""
        return self.model_dump_json(indent=2) + "\n"


def check_thresholds(labels: tuple[Label, ...], thresholds: tuple[ThresholdRecord, ...]) -> None:
    """Refuse records of thresholds that are not those of the labels.

    Raises
    ------
    ValueError
        Other labels, another order or other values. No records at all are fine.
    """
    recorded = tuple((one.label, one.value) for one in thresholds)
    if recorded and recorded != tuple((label.name, label.threshold) for label in labels):
        raise ValueError("thresholds are recorded that are not those of the labels")


def load_card(path: str | os.PathLike[str]) -> ModelCard:
    """Read a model card.

    Parameters
    ----------
    path : path-like
        The ``card.json``.

    Returns
    -------
    ModelCard
        The card.

    Raises
    ------
    CardError
        If the file cannot be read or is not a valid card.
    """
    return load_record(ModelCard, path)


def save_card(card: ModelCard, path: str | os.PathLike[str]) -> None:
    """Write a model card; refuses to overwrite one.

    Parameters
    ----------
    card : ModelCard
        The card.
    path : path-like
        Where; the folder must exist.

    Raises
    ------
    CardError
        If there is a file already or it cannot be written.
    """
    save_record(card, path)
