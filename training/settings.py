"""What a training run is: everything that decides its result."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from ..handlers.card import DataRecord, Label
from .augmentation import Augmentation

__all__ = ["CalibrationMethod", "NetworkSettings", "RunSettings"]

CalibrationMethod = Literal["platt", "temperature", "none"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkSettings(_Settings):
    """How one network is trained, for a number of epochs or for a number of steps."""

    size: int = Field(ge=32, le=2048)
    """Side of the square input, pixels."""
    epochs: int | None = Field(default=None, ge=1)
    """Passes over the training films, each followed by a look at the validation split."""
    steps: int | None = Field(default=None, ge=1)
    """Optimiser steps in one go, without looking at the validation split."""
    batch: int = Field(default=16, ge=2)
    """Films per step."""
    optimizer: Literal["adam", "adamw"] = "adamw"
    """Adam adds the weight decay to the gradient, AdamW takes it from the weights."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak of the schedule."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """The optimiser's."""
    warm_up: float | None = Field(default=0.25, gt=0, lt=1)
    """Share of the steps in which the learning rate rises to its peak; a cosine leads down. None: it is constant."""
    momentum_cycle: bool = True
    """Let the optimiser's momentum fall while the learning rate rises (arXiv:1708.07120)."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after so many epochs without a better validation score, and take the best epoch. None: take the last."""
    weights: str = "none"
    """Where it starts: ``none`` (random), ``imagenet``, or a file of weights."""

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps")
        if self.patience is not None and self.epochs is None:
            raise ValueError("patience counts epochs: give epochs, not steps")
        return self


class RunSettings(_Settings):
    """One run: its networks are trained on the same data and released together."""

    preset: str
    """``demo``, ``standard`` or ``paper``: what options did not change is as there."""
    data: DataRecord
    """What is trained on."""
    selection: tuple[str, ...] = ()
    """What was taken of the data, in words: a source, some labels, a fold."""
    labels: tuple[Label, ...]
    """In the order of the logits; thresholds come later, from the validation split."""
    networks: dict[str, NetworkSettings]
    """By name, in the order in which answers list them."""
    augmentation: Augmentation
    """Random changes of training films."""
    imbalance: float | None = Field(default=None, ge=1)
    """Weigh a label's positive films by negatives / positives, at most so many times up or down. None: do not."""
    batch_norm_films: int = Field(default=256, ge=0)
    """Take batch-norm statistics from so many training films, after the weights. 0: the running averages stay."""
    calibration: CalibrationMethod = "none"
    """How logits become probabilities; fitted on the validation split."""
    threshold: float | None = Field(default=None, gt=0, lt=1)
    """Of all labels. None: chosen for each label on the validation split."""
    precision: str
    """``bf16-mixed`` or ``32-true``, as Lightning calls them. Scores are always measured in float32, as served."""
    seed: int
    """Of weights, order and augmentation."""
