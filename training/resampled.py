"""Several runs on the same data, each tested on other films: ``RUN/<fold>/`` is an ordinary run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ..datasets import DataSet
from .errors import RunError
from .examples import DataSetExamples
from .finish import Progress
from .record import RunRecord, read_document, write_document
from .run import run_training
from .settings import RunSettings

__all__ = ["FOLDS", "Folds", "run_resampled"]

FOLDS = "folds.json"
"""In the folder of several runs."""


class Folds(BaseModel):
    """``<run>/folds.json``: which runs belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: str
    """How films were split: ``folds:5``, ``draws:5`` or ``sources``."""
    seed: int
    """Of the splits; the networks of a fold have this plus the fold's number, from 0."""
    folds: tuple[str, ...]
    """Folders of the runs."""


def run_resampled(
    folder: Path,
    folds: Folds,
    data: Mapping[str, DataSet],
    settings: Callable[[DataSet, str | None, int], RunSettings],
    progress: Progress,
) -> dict[str, RunRecord]:
    """Train, or go on training, one run per fold.

    Parameters
    ----------
    folder : Path
        Of all runs. Finished ones are kept, an interrupted one goes on.
    folds : Folds
        What belongs together.
    data : mapping of str to DataSet
        By fold.
    settings : callable
        Returns the settings of a fold from its data, its name and its seed.
    progress : Progress
        Told everything.

    Returns
    -------
    dict of str to RunRecord
        By fold.

    Raises
    ------
    RunError
        If the folder holds another run.
    """
    path = folder / FOLDS
    if path.is_file():
        if read_document(Folds, path) != folds:
            raise RunError(f"{folder} holds a run with other folds; choose another --out, or remove it")
    elif (folder / "settings.json").is_file():
        raise RunError(f"{folder} holds a run without --resample; choose another --out, or remove it")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_document(folds, path)
    records = {}
    for number, (name, films) in enumerate(data.items()):
        inner = _InFold(progress, f"{name}: ")
        own = settings(films, name, folds.seed + number)
        records[name] = run_training(folder / name, own, DataSetExamples(films), inner)
    return records


class _InFold:
    """Tells in which fold something happens."""

    def __init__(self, progress: Progress, prefix: str) -> None:
        self._progress = progress
        self._prefix = prefix

    def update(self, task: str, done: int, total: int, note: str = "") -> None:
        self._progress.update(self._prefix + task, done, total, note)

    def say(self, text: str) -> None:
        self._progress.say(self._prefix + text)
