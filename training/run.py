"""A training run: all networks, one after the other, each kept as soon as it is finished.

::

    RUN/settings.json            what was asked for; the same folder takes no other run
    RUN/splits.csv               file, group and split of each film
    RUN/cache/                   preprocessed films; removed at the end
    RUN/resnet18/last.ckpt       while it trains, as best.ckpt
    RUN/resnet18/log.csv         a row for each epoch
    RUN/resnet18/weights.pt      when it is finished: state dict, TorchScript copy, logits of val and test, result
    RUN/resnet18/model.pt
    RUN/resnet18/logits.npz
    RUN/resnet18/result.json
    RUN/guard.json               what tells which X-rays are unlike the training films
    RUN/run.json                 when all are finished
"""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

from ..datasets import SPLITS
from ..handlers.brightness import GRID
from ..handlers.guard import GUARD_INPUT
from .baseline import THUMBNAIL
from .batches import PlainBatches
from .cache import build_cache
from .errors import RunError
from .examples import Examples
from .finish import Progress, RunInProgress, finish_network
from .fit import BEST, CHECKPOINT, fit_network, series_of
from .guard import write_guard
from .record import NetworkResult, RunRecord, read_document, write_document
from .settings import RunSettings
from .together import score_together

__all__ = ["Progress", "run_training"]


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
        If the folder holds a run with other settings, or with other splits.
    ManifestError, WeightsError
        If films or initial weights cannot be had.
    """
    _claim(folder, settings)
    _keep_splits(folder / "splits.csv", examples)
    if (folder / "run.json").is_file():
        progress.say(f"{folder}: all networks are finished")
        shutil.rmtree(folder / "cache", ignore_errors=True)  # a kill may have left it
        return read_document(RunRecord, folder / "run.json")
    sizes = [THUMBNAIL, GRID, GUARD_INPUT.size, *(network.size for network in settings.networks.values())]
    cache = build_cache(folder / "cache", examples, sizes, lambda done, total: progress.update("films", done, total))
    groups = {split: tuple(group for _, group in examples.names(split)) for split in SPLITS}
    run = RunInProgress(folder, settings, cache, groups, progress)
    results = []
    for name in settings.networks:
        if (folder / name / "result.json").is_file():
            progress.say(f"{name}: finished before")
        else:
            _train_one(run, name)
        results.append(read_document(NetworkResult, folder / name / "result.json"))
    record = score_together(run, examples, results)
    if write_guard(folder, *(cache.images(split, GUARD_INPUT.size) for split in ("train", "val"))) is None:
        progress.say("no guard against X-rays unlike the training films: there are too few, or they are all alike")
    write_document(record, folder / "run.json")
    shutil.rmtree(folder / "cache", ignore_errors=True)
    return record


def _claim(folder: Path, settings: RunSettings) -> None:
    if (folder / "folds.json").is_file():
        raise RunError(f"{folder} holds a run with --resample; choose another --out, or remove it")
    path = folder / "settings.json"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_document(settings, path)
        return
    before = read_document(RunSettings, path)
    if before != settings:
        changed = [name for name in type(settings).model_fields if getattr(before, name) != getattr(settings, name)]
        raise RunError(f"{folder} holds a run with other {', '.join(changed)}; choose another --out, or remove it")


def _keep_splits(path: Path, examples: Examples) -> None:
    """Write the splits, or refuse others than those that finished networks were trained on."""
    rows = [("file", "group", "split"), *((*names, split) for split in SPLITS for names in examples.names(split))]
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            if [tuple(row) for row in csv.reader(file)] != rows:
                raise RunError(f"{path.parent} holds a run with other splits; choose another --out, or remove it")
        return
    temporary = path.with_name(f".{path.name}")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    os.replace(temporary, path)


def _train_one(run: RunInProgress, name: str) -> None:
    folder, size = run.folder / name, run.settings.networks[name].size
    folder.mkdir(exist_ok=True)
    if (folder / CHECKPOINT).is_file():
        run.progress.say(f"{name}: going on from its checkpoint")
    series = series_of(run.settings, name, run.cache.images("train", size), run.cache.targets("train"))
    validation = PlainBatches(run.cache.images("val", size), run.cache.targets("val"))

    def report(done: int, total: int, note: str) -> None:
        run.progress.update(name, done, total, note)

    fitted = fit_network(name, run.settings, series, validation, folder, report)
    result = finish_network(run, name, fitted)
    for left in (CHECKPOINT, BEST):
        (folder / left).unlink(missing_ok=True)
    kept = "" if result.best_epoch is None else f" (epoch {result.best_epoch} of {result.epochs})"
    scores = f"micro-F1 {result.test['micro_f1']:.3f} on the test split"
    run.progress.say("; ".join([f"{name}: {scores}, {result.seconds:.0f} s{kept}", *result.notes]))
