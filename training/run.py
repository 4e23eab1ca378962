"""A training run: all networks, one after the other, each kept as soon as it is finished.

::

    RUN/settings.json            what was asked for; the same folder takes no other run
    RUN/cache/                   preprocessed films; removed at the end
    RUN/resnet18/last.ckpt       while it trains
    RUN/resnet18/weights.pt      when it is finished: state dict, logits of val and test, result
    RUN/resnet18/logits.npz
    RUN/resnet18/result.json
    RUN/guard.json               what tells which X-rays are unlike the training films
    RUN/run.json                 when all are finished
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ..handlers.brightness import GRID, BrightnessStatistics
from ..handlers.guard import GUARD_INPUT
from ..handlers.vote import probabilities
from .baseline import THUMBNAIL, thumbnail_ridge
from .batches import Batches
from .cache import FilmCache, build_cache
from .errors import RunError
from .examples import SPLITS, Examples, Split
from .export import library_versions
from .fit import CHECKPOINT, fit_network
from .guard import write_guard
from .record import NetworkResult, RunRecord, read_document, write_document
from .scores import choose_thresholds, majority, score
from .settings import RunSettings

__all__ = ["Progress", "run_training"]

_EVALUATION_BATCH = 32
_HELD_OUT: tuple[Literal["val", "test"], ...] = ("val", "test")


class Progress(Protocol):
    """Where a run tells how far it is."""

    def update(self, task: str, done: int, total: int, note: str = "") -> None:
        """Tell how much of a task is done; ``done == total`` ends it."""

    def say(self, text: str) -> None:
        """Tell something once."""


@dataclass(frozen=True)
class _Run:
    folder: Path
    settings: RunSettings
    cache: FilmCache
    progress: Progress


def run_training(folder: Path, settings: RunSettings, examples: Examples, progress: Progress) -> RunRecord:
    """Train, or go on training, the networks of a run, and score them.

    Parameters
    ----------
    folder : Path
        The run's folder. Finished networks in it are kept, an interrupted one goes on from its checkpoint.
    settings : RunSettings
        What to do.
    examples : Examples
        The data that the settings name.
    progress : Progress
        Told everything.

    Returns
    -------
    RunRecord
        Also written to ``run.json``.

    Raises
    ------
    Interrupted
        After Ctrl-C during training; the same call goes on.
    RunError
        If the folder holds a run with other settings.
    ManifestError, WeightsError
        If films or initial weights cannot be had.
    """
    _claim(folder, settings)
    if (folder / "run.json").is_file():
        progress.say(f"{folder}: all networks are finished")
        return read_document(RunRecord, folder / "run.json")
    sizes = [THUMBNAIL, GRID, GUARD_INPUT.size, *(network.size for network in settings.networks.values())]
    cache = build_cache(folder / "cache", examples, sizes, lambda done, total: progress.update("films", done, total))
    run = _Run(folder, settings, cache, progress)
    results = []
    for name in settings.networks:
        if (folder / name / "result.json").is_file():
            progress.say(f"{name}: finished before")
        else:
            _train_one(run, name)
        results.append(read_document(NetworkResult, folder / name / "result.json"))
    record = _score_together(run, results)
    write_guard(folder, *(cache.images(split, GUARD_INPUT.size) for split in ("train", "val")))
    write_document(record, folder / "run.json")
    shutil.rmtree(folder / "cache", ignore_errors=True)
    return record


def _claim(folder: Path, settings: RunSettings) -> None:
    path = folder / "settings.json"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_document(settings, path)
        return
    before = read_document(RunSettings, path)
    if before != settings:
        changed = [name for name in type(settings).model_fields if getattr(before, name) != getattr(settings, name)]
        raise RunError(f"{folder} holds a run with other {', '.join(changed)}; choose another --out, or remove it")


def _train_one(run: _Run, name: str) -> None:
    folder = run.folder / name
    folder.mkdir(exist_ok=True)
    own = run.settings.networks[name]
    images = run.cache.images("train", own.size)
    targets = run.cache.targets("train")
    batches = Batches(images, targets, own.batch, own.steps, run.settings.seed, run.settings.augmentation)
    if (folder / CHECKPOINT).is_file():
        run.progress.say(f"{name}: going on from its checkpoint")

    def report(done: int, total: int, loss: float) -> None:
        run.progress.update(name, done, total, f"loss {loss:.3f}")

    network, seconds = fit_network(name, run.settings, batches, folder, report)
    logits = {split: _predict(run, name, network, split) for split in _HELD_OUT}
    names = [label.name for label in run.settings.labels]
    truth = {split: run.cache.targets(split) > 0.5 for split in logits}
    scores = {split: probabilities(values) for split, values in logits.items()}
    thresholds = choose_thresholds(scores["val"], truth["val"])
    metrics = {s: score(scores[s] >= np.asarray(thresholds, dtype=np.float32), truth[s], names) for s in logits}
    _write_aside(folder / "weights.pt", lambda path: torch.save(network.state_dict(), path))
    _write_aside(folder / "logits.npz", lambda path: _save_logits(path, logits))
    result = NetworkResult(
        name=name,
        steps=own.steps,
        epochs=round(own.steps * own.batch / len(images)),
        seconds=round(seconds, 1),
        thresholds=thresholds,
        validation=metrics["val"],
        test=metrics["test"],
    )
    write_document(result, folder / "result.json")
    (folder / CHECKPOINT).unlink(missing_ok=True)
    run.progress.say(f"{name}: micro-F1 {metrics['test']['micro_f1']:.3f} on the test split, {seconds:.0f} s")


def _save_logits(path: Path, logits: Mapping[Literal["val", "test"], NDArray[np.float32]]) -> None:
    with path.open("wb") as file:
        np.savez(file, val=logits["val"], test=logits["test"])


def _write_aside(path: Path, write: Callable[[Path], None]) -> None:
    temporary = path.with_name(f".{path.name}")
    write(temporary)
    os.replace(temporary, path)


def _predict(run: _Run, name: str, network: torch.nn.Module, split: Split) -> NDArray[np.float32]:
    images = run.cache.images(split, run.settings.networks[name].size)
    found = []
    with torch.inference_mode():
        for first in range(0, len(images), _EVALUATION_BATCH):
            batch = torch.from_numpy(images[first : first + _EVALUATION_BATCH].copy())
            found.append(network(batch.to(memory_format=torch.channels_last)).numpy())
            run.progress.update(f"{name} on {split}", min(first + _EVALUATION_BATCH, len(images)), len(images))
    return np.concatenate(found)


def _score_together(run: _Run, results: list[NetworkResult]) -> RunRecord:
    labels = run.settings.labels
    names = [label.name for label in labels]
    truth = {split: run.cache.targets(split) > 0.5 for split in SPLITS}
    scores: dict[str, NDArray[np.float32]] = {}
    for split in _HELD_OUT:
        files = [run.folder / result.name / "logits.npz" for result in results]
        scores[split] = np.stack([probabilities(np.load(file)[split]) for file in files])
    voted = majority(scores["test"], [result.thresholds for result in results], labels)
    mean = {split: values.mean(axis=0) for split, values in scores.items()}
    mean_thresholds = choose_thresholds(mean["val"], truth["val"])
    return RunRecord(
        settings=run.settings,
        films={split: len(values) for split, values in truth.items()},
        networks=tuple(results),
        majority=score(voted, truth["test"], names),
        mean=score(mean["test"] >= np.asarray(mean_thresholds, dtype=np.float32), truth["test"], names),
        mean_thresholds=mean_thresholds,
        thumbnail_ridge=score(thumbnail_ridge(run.cache), truth["test"], names),
        versions=library_versions(),
        brightness=BrightnessStatistics.of(run.cache.images("train", GRID)),
    )
