"""Logits of networks on films that they were not trained on, computed here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from ..datasets import DataSet, Film, Split
from ..handlers import XRay
from ..handlers.card import DataRecord
from ..handlers.repository import Repository
from .errors import EvaluationError, RunUnreadable
from .folds import ONE_SPLIT, Fold
from .networks import Outputs, run_networks
from .progress import Progress, silent
from .tables import Predictions, PredictionsHead
from .trained import TrainedSet, folds_of_run, read_repository, read_run, read_splits

__all__ = ["HELD_OUT", "folds_of_runs", "join_outputs", "predict_repository", "predict_runs"]

HELD_OUT: tuple[Split, ...] = ("val", "test")

Change = Callable[[XRay], XRay]


@dataclass(frozen=True, eq=False)
class _Training:
    """One training's fold: its folder, and the data set's films with the splits that they had in it."""

    name: str
    folder: Path
    films: tuple[Film, ...]


def folds_of_runs(runs: Sequence[Path], data_set: DataSet) -> tuple[Fold, ...]:
    """Return what each run was trained on and is tested on, as baselines need it.

    Parameters and errors are those of `predict_runs`.
    """
    return tuple(
        Fold(
            training.name,
            tuple(film for film in training.films if film.split == "train"),
            tuple(film for film in training.films if film.split == "test"),
        )
        for training in _trainings(runs, data_set)
    )


def predict_runs(
    runs: Sequence[Path],
    data_set: DataSet,
    splits: Collection[Split] = HELD_OUT,
    progress: Progress = silent,
    *,
    change: Change | None = None,
) -> Predictions:
    """Run the networks of one or several trainings, each on the films that it left out.

    Parameters
    ----------
    runs : sequence of Path
        Folders of finished runs, or of such folders (the folds of a resampled run).
    data_set : DataSet
        The films; must be the manifest that the runs were trained on.
    splits : collection of str
        Which of the films, by the splits that the run had.
    progress : callable
        Told how many films are done.
    change : callable, optional
        What happens to a decoded film before it is preprocessed, such as `hide_centre`.

    Returns
    -------
    Predictions
        One row for each film and fold. Films carry the split that they had in their fold.

    Raises
    ------
    EvaluationError
        If a run cannot be read, was trained on another manifest or other labels, or a film is unreadable.
    """
    trainings = _trainings(runs, data_set)
    parts: list[tuple[str, TrainedSet, tuple[Film, ...], dict[str, Outputs]]] = []
    for position, training in enumerate(trainings, 1):
        trained = read_run(training.folder)
        _require_same_data(trained, data_set, training.folder)
        films = tuple(film for film in training.films if film.split in splits)
        task = "networks" if len(trainings) == 1 else f"fold {position} of {len(trainings)}"
        outputs = run_networks(trained.networks, films, change=change, progress=progress, task=task)
        parts.append((training.name, trained, films, outputs))
    sizes = {t.name: sum(film.split == "train" for film in t.films) for t in trainings}
    return join_outputs(data_set, parts, train_films=sizes)


def predict_repository(
    repository: Repository,
    version: int,
    data_set: DataSet,
    splits: Collection[Split] = HELD_OUT,
    progress: Progress = silent,
    *,
    change: Change | None = None,
) -> Predictions:
    """Run the TorchScript copies of a published model set. Parameters and errors are as in `predict_runs`.

    The data set need not be the one of the training. Where it is, its own splits must be those of the training.

    Parameters
    ----------
    repository : Repository
        Where the set is.
    version : int
        Of the model set.
    data_set, splits, progress, change
        As in `predict_runs`.

    Raises
    ------
    CardError, RepositoryError
        If the set is damaged or one of its networks has no TorchScript copy.
    """
    trained = read_repository(repository, version)
    films = tuple(film for film in data_set.films if film.split in splits)
    outputs = run_networks(trained.networks, films, change=change, progress=progress)
    return join_outputs(data_set, [(ONE_SPLIT, trained, films, outputs)])


def join_outputs(
    data_set: DataSet,
    parts: Sequence[tuple[str, TrainedSet, Sequence[Film], Mapping[str, Outputs]]],
    *,
    train_films: Mapping[str, int] | None = None,
) -> Predictions:
    """Put what networks answered into one table.

    Parameters
    ----------
    data_set : DataSet
        What the films are of.
    parts : sequence of tuple
        For each fold: its name, its networks, the films, and what each network answered on them.
    train_films : mapping of str to int, optional
        By fold: how many films were trained on.

    Raises
    ------
    EvaluationError
        If the folds do not have the same networks and labels.
    """
    first = parts[0][1]
    names = [network.name for network in first.networks]
    question = [(label.name, label.implies) for label in first.labels]
    for fold, trained, _, _ in parts:
        if [network.name for network in trained.networks] != names:
            raise EvaluationError(f"fold {fold} does not have the networks of fold {parts[0][0]}")
        if [(label.name, label.implies) for label in trained.labels] != question:
            raise EvaluationError(f"fold {fold} does not have the labels of fold {parts[0][0]}")
    head = PredictionsHead(
        data=DataRecord(name=data_set.name, checksum=data_set.checksum),
        labels=first.labels,
        decisions={fold: dict(trained.decisions) for fold, trained, _, _ in parts},
        mean_thresholds={fold: trained.mean_thresholds for fold, trained, _, _ in parts},
        train_films=dict(train_films or {}),
        created=datetime.now(timezone.utc),
        versions=first.versions,
    )
    return Predictions(
        head,
        tuple(film for _, _, films, _ in parts for film in films),
        tuple(fold for fold, _, films, _ in parts for _ in films),
        {name: np.concatenate([outputs[name].logits for _, _, _, outputs in parts]) for name in names},
    )


def _trainings(runs: Sequence[Path], data_set: DataSet) -> list[_Training]:
    folders = [fold for run in runs for fold in folds_of_run(run)]
    by_file = {film.file: film for film in data_set.films}
    trainings = []
    for folder in folders:
        splits = read_splits(folder)
        if missing := [file for file in splits if file not in by_file]:
            raise RunUnreadable(folder, f"has {len(missing)} films that {data_set.path} lacks: {missing[0]}, ...")
        name = ONE_SPLIT if len(folders) == 1 else folder.name
        trainings.append(
            _Training(name, folder, tuple(replace(by_file[file], split=split) for file, split in splits.items()))
        )
    names = [training.name for training in trainings]
    if len(set(names)) < len(names):
        raise EvaluationError("two folds have the same name")
    return trainings


def _require_same_data(trained: TrainedSet, data_set: DataSet, folder: Path) -> None:
    if trained.data is not None and trained.data.checksum != data_set.checksum:
        raise RunUnreadable(folder, f"was trained on another manifest than {data_set.path} (checksum differs)")
