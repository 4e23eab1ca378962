"""The stored tables from which every number of an evaluation can be had again: no pixel is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ..datasets import Film
from ..handlers.calibration import Calibration
from ..handlers.card import DataRecord, Label
from ..handlers.vote import Vote, served_probabilities, vote

__all__ = ["BaselineScore", "Decision", "Predictions", "PredictionsHead"]


class Decision(BaseModel):
    """How one network's logits become votes in one fold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    thresholds: tuple[float, ...]
    """Per label, on calibrated probabilities."""
    calibration: Calibration | None = None
    """None: the plain sigmoid."""


class PredictionsHead(BaseModel):
    """``predictions.json``: what the columns of ``predictions.csv`` mean."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: DataRecord
    """Which films."""
    labels: tuple[Label, ...]
    """With their hierarchy, in the order of the logits."""
    decisions: dict[str, dict[str, Decision]]
    """By fold, then by network in the order in which answers list them."""
    mean_thresholds: dict[str, tuple[float, ...]]
    """By fold: thresholds of the mean probability."""
    train_films: dict[str, int] = {}
    """By fold: how many films the networks were trained on; intervals over overlapping draws need it."""
    created: datetime | None = None
    """When the logits were computed; the one time that reports carry."""
    versions: dict[str, str] = {}
    """Of libraries."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Logits of networks on films that they were not trained on.

    Parameters
    ----------
    head : PredictionsHead
        Labels, networks, thresholds.
    films : tuple of Film
        The films; one that is tested in several overlapping draws comes several times.
    folds : tuple of str
        Fold of each film: which training its logits come from. One training alone calls it ``split``.
    logits : mapping of str to ndarray of float32, shape [films, labels]
        By network.
    """

    head: PredictionsHead
    films: tuple[Film, ...]
    folds: tuple[str, ...]
    logits: Mapping[str, NDArray[np.float32]]

    def truth(self) -> NDArray[np.float32]:
        """Return what is known: float32 ``[films, labels]`` of 0, 1 and NaN for unknown."""
        names = [label.name for label in self.head.labels]
        rows = [[film.known.get(name, np.nan) for name in names] for film in self.films]
        return np.asarray(rows, dtype=np.float32).reshape(len(self.films), len(names))

    def probabilities(self, network: str) -> NDArray[np.float32]:
        """Return calibrated probabilities, float32 ``[films, labels]``."""
        result = np.empty_like(self.logits[network])
        for fold, rows in self._rows():
            calibration = self.head.decisions[fold][network].calibration
            result[rows] = served_probabilities(self.logits[network][rows], calibration)
        return result

    def thresholds(self, network: str) -> NDArray[np.float32]:
        """Return each film's thresholds, float32 ``[films, labels]``."""
        by_fold = self.head.decisions
        return np.asarray([by_fold[fold][network].thresholds for fold in self.folds], dtype=np.float32)

    def votes(self) -> tuple[Vote, ...]:
        """Return the ensemble's answer for each film, as it is served."""
        scores = np.stack([self.probabilities(name) for name in self.logits], axis=1)
        limits = np.stack([self.thresholds(name) for name in self.logits], axis=1)
        return tuple(vote(s, t, self.head.labels) for s, t in zip(scores, limits, strict=True))

    def _rows(self) -> Sequence[tuple[str, NDArray[np.intp]]]:
        folds = np.asarray(self.folds)
        return [(fold, np.flatnonzero(folds == fold)) for fold in dict.fromkeys(self.folds)]


@dataclass(frozen=True)
class BaselineScore:
    """One row of ``baselines.csv``: what a predictor that knows no medicine says of one film.

    Parameters
    ----------
    comparison : str
        Name of the `Comparison` that it was fitted for.
    predictor : str
        Such as ``not square``, ``source``, ``brightness``, ``outer ring`` or ``thumbnail``.
    fold, file : str
        Which film, tested in which fold.
    score : float
        The higher, the more likely positive.
    """

    comparison: str
    predictor: str
    fold: str
    file: str
    score: float
