"""The model card: everything about one network's version that is data and not code."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from typing_extensions import Self

from .brightness import BrightnessStatistics
from .errors import CardError

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
    "TrainingRecord",
    "load_card",
    "save_card",
]

INTENDED_USE = "Research use only. Not for diagnosis."
"""Said wherever a result is shown."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest, lower-case hexadecimal."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
"""A name that may become a folder, a Triton model or part of a tensor's name."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputSpec(_Record):
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


class CodedConcept(_Record):
    """A label in a terminology, as DICOM writes coded concepts."""

    scheme: str = Field(min_length=1, max_length=16)
    """Coding scheme designator, such as ``SCT``."""
    value: str = Field(min_length=1, max_length=64)
    """Code value."""
    meaning: str = Field(min_length=1, max_length=64)
    """Code meaning."""


class Label(_Record):
    """One output of a network."""

    name: str = Field(min_length=1, max_length=100)
    """As shown to people."""
    implies: str | None = None
    """The label that is true whenever this one is."""
    threshold: float = Field(default=0.5, ge=0, le=1)
    """Probability from which this network votes for the label."""
    code: CodedConcept | None = None
    """The label in a terminology."""


class DataRecord(_Record):
    """The data a network was trained on."""

    name: str = Field(min_length=1)
    """Which data set."""
    checksum: Sha256
    """Of its manifest."""


class TrainingRecord(_Record):
    """How a network was trained."""

    preset: str
    """Named set of training settings."""
    data: DataRecord
    """What it saw."""
    epochs: int = Field(ge=0)
    """Passes over the training data."""
    steps: int = Field(ge=0)
    """Optimiser steps."""
    seed: int
    """Of all random number generators."""
    initial_weights: str
    """Where training started: ``random``, or the name of the weights."""
    seconds: float = Field(ge=0)
    """Wall time."""


class Parity(_Record):
    """Largest absolute difference of logits from the eager network, as measured when the version was written."""

    torchscript_max_abs: float | None = Field(default=None, ge=0)
    """Of the TorchScript copy; none where there is no eager network to compare with."""
    onnx_max_abs: float | None = Field(default=None, ge=0)
    """Of the ONNX copy; none where there is no ONNX copy."""
    batches: tuple[int, ...] = (1, 3)
    """Batch sizes that were compared."""


class ModelCard(_Record):
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
    """Scores in [0, 1] by name, such as ``micro_f1``."""
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

    @model_validator(mode="after")
    def _labels_are_a_forest(self) -> Self:
        names = self.label_names
        if len(set(names)) != len(names):
            raise ValueError("two labels have the same name")
        parents = {label.name: label.implies for label in self.labels}
        for label in self.labels:
            seen = {label.name}
            parent = label.implies
            while parent is not None:
                if parent not in parents:
                    raise ValueError(f"label {label.name!r} implies {parent!r}, which is not a label")
                if parent in seen:
                    raise ValueError(f"label {label.name!r} implies itself")
                seen.add(parent)
                parent = parents[parent]
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

    def to_json(self) -> str:
        """Return the card as it is written to ``card.json``."""
        return self.model_dump_json(indent=2) + "\n"


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
    path = Path(path)
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CardError(path, f"cannot read the model card: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "card"
        raise CardError(path, f"not a valid model card: {where}: {first['msg']}") from error


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
    path = Path(path)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(card.to_json())
    except OSError as error:
        raise CardError(path, f"cannot write the model card: {error.strerror}") from error
