"""From a fitted network to what its folder keeps: logits, calibration, thresholds, TorchScript copy, result."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ..datasets import Split
from ..handlers.card import InputSpec
from ..handlers.repository.checksum import sha256
from ..handlers.vote import served_probabilities
from .batches import PlainBatches
from .cache import FilmCache
from .calibrate import fit_calibration
from .fit import Fitted
from .module import require_numbers
from .parity import save_torchscript, trace_network
from .record import NetworkResult, write_document
from .scores import score
from .settings import RunSettings
from .thresholds import Threshold, choose_thresholds, fixed_thresholds

__all__ = ["HELD_OUT", "Progress", "RunInProgress", "finish_network", "load_logits", "thresholds_for"]

HELD_OUT: tuple[Literal["val", "test"], ...] = ("val", "test")

Floats = NDArray[np.float32]


class Progress(Protocol):
    """Where a run tells how far it is."""

    def update(self, task: str, done: int, total: int, note: str = "") -> None:
        """Tell how much of a task is done; ``done == total`` ends it."""

    def say(self, text: str) -> None:
        """Tell something once."""


@dataclass(frozen=True)
class RunInProgress:
    """A run while it goes on.

    Parameters
    ----------
    folder : Path
        Its folder.
    settings : RunSettings
        What was asked for.
    cache : FilmCache
        Its films.
    groups : mapping of str to tuple of str
        Patient of each film, by split.
    progress : Progress
        Told everything.
    """

    folder: Path
    settings: RunSettings
    cache: FilmCache
    groups: Mapping[Split, tuple[str, ...]]
    progress: Progress


def finish_network(run: RunInProgress, name: str, fitted: Fitted) -> NetworkResult:
    """Measure a fitted network in float32, as it will be served, choose what the validation split decides, keep it.

    Parameters
    ----------
    run : RunInProgress
        The run.
    name : str
        Which network.
    fitted : Fitted
        What its training gave.

    Returns
    -------
    NetworkResult
        Also written to ``result.json``, last of all.

    Raises
    ------
    Diverged
        If it does not answer with numbers.
    """
    folder, settings = run.folder / name, run.settings
    names = [label.name for label in settings.labels]
    logits = {split: _predict(run, name, fitted.network, split) for split in HELD_OUT}
    targets = {split: run.cache.targets(split) for split in HELD_OUT}
    found = fit_calibration(settings.calibration, logits["val"], targets["val"], names)
    scores = {split: served_probabilities(logits[split], found.calibration) for split in HELD_OUT}
    thresholds = thresholds_for(run, scores["val"])
    limits = np.asarray([threshold.value for threshold in thresholds], dtype=np.float32)
    metrics = {s: score(scores[s] >= limits, targets[s], names, scores[s]) for s in HELD_OUT}
    _write_aside(folder / "weights.pt", lambda path: torch.save(fitted.network.state_dict(), path))
    _write_aside(folder / "logits.npz", lambda path: _save_logits(path, logits))
    traced = trace_network(fitted.network, InputSpec(size=settings.networks[name].size))
    _write_aside(folder / "model.pt", lambda path: save_torchscript(traced, path))
    result = NetworkResult(
        name=name,
        steps=fitted.steps,
        epochs=fitted.epochs,
        best_epoch=fitted.best_epoch,
        seconds=round(fitted.seconds, 1),
        calibration=found.calibration,
        thresholds=thresholds,
        notes=found.notes,
        validation=metrics["val"],
        test=metrics["test"],
        model=sha256(folder / "model.pt"),
    )
    write_document(result, folder / "result.json")
    return result


def thresholds_for(run: RunInProgress, scores: Floats) -> tuple[Threshold, ...]:
    """Choose thresholds of validation probabilities, or return what the settings fix."""
    if run.settings.threshold is not None:
        return fixed_thresholds(run.settings.threshold, scores.shape[1])
    return choose_thresholds(scores, run.cache.targets("val"), run.groups["val"], seed=run.settings.seed)


def load_logits(folder: Path, split: Literal["val", "test"]) -> Floats:
    """Return a finished network's logits, float32 ``[films, labels]``."""
    with np.load(folder / "logits.npz") as file:
        logits: Floats = file[split]
    return logits


def _predict(run: RunInProgress, name: str, network: torch.nn.Module, split: Literal["val", "test"]) -> Floats:
    targets = run.cache.targets(split)
    batches = PlainBatches(run.cache.images(split, run.settings.networks[name].size), targets)
    found = []
    with torch.inference_mode():
        for done, (images, _) in enumerate(batches, start=1):
            logits = network(images)
            require_numbers(logits, f"what {name} says of the films of {split}")
            found.append(logits.numpy())
            run.progress.update(f"{name} on {split}", min(done * batches.batch, len(targets)), len(targets))
    return np.concatenate(found) if found else np.zeros(targets.shape, dtype=np.float32)


def _save_logits(path: Path, logits: Mapping[Literal["val", "test"], Floats]) -> None:
    with path.open("wb") as file:
        np.savez(file, val=logits["val"], test=logits["test"])


def _write_aside(path: Path, write: Callable[[Path], None]) -> None:
    temporary = path.with_name(f".{path.name}")
    write(temporary)
    os.replace(temporary, path)
