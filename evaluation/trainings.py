"""Trainings to be evaluated: where their networks are, and in which split each film was."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..datasets import DataSet, Film
from ..handlers.repository import Repository, load_set
from .errors import EvaluationError, RunUnreadable
from .folds import ONE_SPLIT, Fold, fold_of
from .known_splits import refuse_other_splits
from .trained import TrainedSet, folds_of_run, read_labels, read_repository, read_run, read_splits

__all__ = ["Training", "training_of_repository", "trainings_of_runs"]


@dataclass(frozen=True, eq=False)
class Training:
    """One training.

    Parameters
    ----------
    name : str
        As in `Predictions.folds`.
    films : tuple of Film
        With the splits that they had in it.
    load : callable
        Loads its networks, or those that it is given the names of; called once they are needed, so that those of one
        training are in memory at a time.
    labels : tuple of str
        Names of the labels that they know, which may be fewer than the data set has.
    """

    name: str
    films: tuple[Film, ...]
    load: Callable[..., TrainedSet]
    labels: tuple[str, ...]

    @property
    def fold(self) -> Fold:
        """What it was fitted and is tested on."""
        return fold_of(self.name, self.films)


def trainings_of_runs(runs: Sequence[Path], data_set: DataSet) -> tuple[Training, ...]:
    """Find the trainings of finished runs.

    Parameters
    ----------
    runs : sequence of Path
        Folders of finished runs, or of such folders (the folds of a resampled run). Folds are called as their
        folders; one training alone is called ``split``.
    data_set : DataSet
        The manifest that they were trained on.

    Raises
    ------
    RunUnreadable
        If a folder holds no finished run, or its films are not all in the data set.
    EvaluationError
        If two folds have the same name.
    """
    folders = [fold for run in runs for fold in folds_of_run(run)]
    by_file = {film.file: film for film in data_set.films}
    trainings = []
    for folder in folders:
        splits = read_splits(folder)
        if missing := [file for file in splits if file not in by_file]:
            raise RunUnreadable(folder, f"has {len(missing)} films that {data_set.path} lacks: {missing[0]}, ...")
        films = tuple(replace(by_file[file], split=split) for file, split in splits.items())
        name = ONE_SPLIT if len(folders) == 1 else folder.name
        trainings.append(Training(name, films, partial(_load, folder, data_set), read_labels(folder)))
    names = [training.name for training in trainings]
    if len(set(names)) < len(names):
        raise EvaluationError(f"two folds have the same name: {', '.join(names)}")
    return tuple(trainings)


def training_of_repository(repository: Repository, version: int, data_set: DataSet) -> Training:
    """Return the training that a published model set comes from.

    Raises
    ------
    EvaluationError
        If the data set is that of the training, but its splits are not those of the training.
    CardError, RepositoryError
        If the set cannot be read.
    """
    card = load_set(repository, version, check=False).card
    refuse_other_splits(card.data, data_set)
    labels = tuple(label.name for label in card.labels)
    return Training(ONE_SPLIT, data_set.films, partial(read_repository, repository, version), labels)


def _load(folder: Path, data_set: DataSet, only: Collection[str] = ()) -> TrainedSet:
    trained = read_run(folder, only)
    if trained.data is not None and trained.data.checksum != data_set.checksum:
        raise RunUnreadable(folder, f"was trained on another manifest than {data_set.path} (checksum differs)")
    return trained
