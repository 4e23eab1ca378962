"""What a run leaves in its folder, as typed documents."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ..handlers.brightness import BrightnessStatistics
from ..handlers.calibration import Calibration
from ..handlers.card import Sha256
from .errors import RunError
from .settings import RunSettings
from .thresholds import Threshold

__all__ = ["NetworkResult", "RunRecord", "read_document", "write_document"]


class NetworkResult(BaseModel):
    """``<run>/<network>/result.json``: written last, so that a network with a result is finished."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Which network."""
    steps: int
    """Optimiser steps."""
    epochs: int
    """Passes over the training split; rounded where steps were asked for."""
    best_epoch: int | None
    """From 1: the epoch whose weights were kept; None where steps were asked for."""
    seconds: float
    """Wall time of training, over all resumptions."""
    calibration: Calibration | None
    """Fitted on the validation split; None: the plain sigmoid."""
    thresholds: tuple[Threshold, ...]
    """Per label, on calibrated probabilities."""
    notes: tuple[str, ...]
    """What could not be fitted on the validation split, and why."""
    validation: dict[str, float]
    """Scores in [0, 1] on the split that chose epoch, calibration and thresholds: not a measure of quality."""
    test: dict[str, float]
    """Scores in [0, 1] on the test split."""
    model: Sha256
    """Of ``model.pt``, the TorchScript copy."""

    @property
    def limits(self) -> tuple[float, ...]:
        """The thresholds' values."""
        return tuple(threshold.value for threshold in self.thresholds)


class RunRecord(BaseModel):
    """``<run>/run.json``: written when all networks are finished."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: RunSettings
    """What was asked for."""
    films: dict[str, int]
    """Films per split."""
    splits: Sha256
    """Of ``splits.csv``, which says where each film went; the manifest's checksum stands in the settings."""
    licences: dict[str, int]
    """Training films per licence; empty where films were generated."""
    networks: tuple[NetworkResult, ...]
    """In the order in which answers list them."""
    majority: dict[str, float]
    """Scores of the majority vote on the test split."""
    mean: dict[str, float]
    """Scores of the mean probability on the test split."""
    mean_thresholds: tuple[Threshold, ...]
    """Per label, of the mean of the calibrated probabilities."""
    thumbnail_ridge: dict[str, float]
    """Scores, on the same films, of a ridge regression that sees 16 x 16 pixels."""
    versions: dict[str, str]
    """Of libraries."""
    brightness: BrightnessStatistics | None = None
    """How bright the training films were; none of fewer than 20 films."""


Document = TypeVar("Document", bound=BaseModel)


def write_document(document: BaseModel, path: Path) -> None:
    """Write a document; it is there whole or not at all."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(document.model_dump_json(indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def read_document(kind: type[Document], path: Path) -> Document:
    """Read a document.

    Raises
    ------
    RunError
        If it is missing or says something else.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{path}: not a valid {kind.__name__}: {where}: {first['msg']}") from error
