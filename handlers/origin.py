"""Where a network comes from, as its card tells: data, training, thresholds, parity of its forms."""

from __future__ import annotations

from pydantic import Field, model_validator
from typing_extensions import Self

from .record import Record, Sha256

__all__ = ["DataRecord", "Parity", "ThresholdRecord", "TrainingRecord"]


class DataRecord(Record):
    """The data a network was trained on."""

    name: str = Field(min_length=1)
    """Which data set."""
    checksum: Sha256
    """Of its manifest."""
    splits: Sha256 | None = None
    """Checksum of the stored splits; None: they are the manifest's, or were not recorded."""
    licences: dict[str, int] = Field(default_factory=dict)
    """Number of training films by licence, as the manifest names it; an empty name: not known. Empty: not recorded."""
    commercial_use: bool | None = None
    """Whether the licences of all training films allow commercial use; None: not known."""
    commercial_only: bool = False
    """Whether films whose licence does not allow commercial use were left out on request."""


class TrainingRecord(Record):
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
    best_epoch: int | None = Field(default=None, ge=0)
    """The epoch, from 1, whose weights were kept; None: the last."""
    optimiser: str | None = None
    """Such as ``AdamW``."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Its peak."""
    weight_decay: float | None = Field(default=None, ge=0)
    """The optimiser's."""
    schedule: str | None = None
    """How the learning rate went, in words."""
    batch: int | None = Field(default=None, ge=1)
    """Films per step."""
    loss: str | None = None
    """In words; how classes were weighted belongs to it."""
    augmentation: str | None = None
    """Random changes of training films, in words."""
    precision: str | None = None
    """Such as ``bf16-mixed``."""
    films: dict[str, int] = Field(default_factory=dict)
    """Number of films by split; empty: not recorded."""


class ThresholdRecord(Record):
    """A threshold, how sure it is and how it was chosen."""

    label: str = Field(min_length=1)
    """Of which label."""
    value: float = Field(ge=0, le=1)
    """Probability, as served."""
    low: float | None = Field(default=None, ge=0, le=1)
    """Lower end of its 95 % interval (bootstrap over groups); None: not estimated."""
    high: float | None = Field(default=None, ge=0, le=1)
    """Upper end."""
    chosen_by: str = Field(min_length=1)
    """In words, such as ``largest F1`` or ``fixed by the preset``."""
    split: str = ""
    """The split it was chosen on; empty: on none."""

    @model_validator(mode="after")
    def _is_an_interval(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has two ends")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low is above high")
        return self


class Parity(Record):
    """Largest absolute difference of logits from the eager network, as measured when the version was written."""

    torchscript_max_abs: float | None = Field(default=None, ge=0)
    """Of the TorchScript copy; none where there is no eager network to compare with."""
    onnx_max_abs: float | None = Field(default=None, ge=0)
    """Of the ONNX copy; none where there is no ONNX copy."""
    batches: tuple[int, ...] = (1, 3)
    """Batch sizes that were compared."""
