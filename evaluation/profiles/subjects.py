"""The networks that are profiled, and the films that they are profiled on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...datasets import SPLITS, DataSet, DataSetsError, Film, select
from ...handlers import Label
from ...handlers.repository import Repository, load_set
from ...handlers.repository.checksum import sha256
from ..networks import Network
from ..tables import Decision
from ..trained import TrainedSet, folds_of_run
from ..trainings import Training, training_of_repository, trainings_of_runs
from .errors import ProfileRefused

__all__ = ["Subject", "Subjects", "subjects_of_repository", "subjects_of_run"]

ALL = "all"


@dataclass(frozen=True, eq=False)
class Subject:
    """A network to profile.

    Parameters
    ----------
    network : Network
        Loaded.
    decision : Decision
        How its logits become votes.
    version : int
        In the repository; 0 of a run.
    model_sha256 : str
        Of its TorchScript copy.
    """

    network: Network
    decision: Decision
    version: int
    model_sha256: str


@dataclass(frozen=True, eq=False)
class Subjects:
    """Networks that belong together, and films.

    Parameters
    ----------
    networks : tuple of Subject
        In the order in which answers list them.
    labels : tuple of Label
        Of the networks, in the order of the logits.
    data_set : DataSet
        With the splits that the films had in the training.
    folder : Path, optional
        Of the model set, whose profiles are served.
    problems : tuple of str
        What was asked for and is not there.
    """

    networks: tuple[Subject, ...]
    labels: tuple[Label, ...]
    data_set: DataSet
    folder: Path | None = None
    problems: tuple[str, ...] = ()

    def films(self, split: str, labels: Sequence[str] = (), sources: Sequence[str] = ()) -> tuple[Film, ...]:
        """Return the films of a split (``all``: every one), with some labels and of some sources.

        Raises
        ------
        ProfileRefused
            If there is no such split, label or source, or no film.
        """
        problems = (
            [] if split in (*SPLITS, ALL) else [f"there is no split {split!r}; there are {', '.join(SPLITS)}, all"]
        )
        chosen = self.data_set
        try:
            chosen = select(chosen, labels=labels or None, sources=sources or None)
        except DataSetsError as error:
            problems.append(str(error))
        films = tuple(film for film in chosen.films if split in (film.split, ALL))
        if not problems and not films:
            problems.append(f"{self.data_set.path} has no such film in split {split!r}")
        if problems:
            raise ProfileRefused(problems)
        return films


def subjects_of_run(run: Path, data_set: DataSet, names: Collection[str] = ()) -> Subjects:
    """Load the networks of a finished run, or those of some names.

    Raises
    ------
    EvaluationError
        If it is not one finished run on this data set.
    """
    folders = folds_of_run(run)
    if len(folders) > 1:
        raise ProfileRefused([f"{run} holds {len(folders)} folds: name one of them"])
    (training,) = trainings_of_runs(folders, data_set)
    trained = training.load(names)
    files = {network.name: (0, folders[0] / network.name / "model.pt") for network in trained.networks}
    return _subjects(training, trained, data_set, files, None, names)


def subjects_of_repository(root: Path, version: int | None, data_set: DataSet, names: Collection[str] = ()) -> Subjects:
    """Load the networks of a published model set, or those of some names; without a version, of the newest.

    Raises
    ------
    EvaluationError
        If there is no such set, or films were split otherwise in its training.
    CardError, RepositoryError
        If it cannot be read.
    """
    repository = Repository(root)
    versions = repository.set_versions()
    if not versions:
        raise ProfileRefused([f"{root} holds no model set"])
    chosen = max(versions) if version is None else version
    if chosen not in versions:
        raise ProfileRefused([f"{root} holds no model set {chosen}; there are {', '.join(map(str, versions))}"])
    training = training_of_repository(repository, chosen, data_set)
    cards = load_set(repository, chosen, check=False).cards
    files = {name: (card.version, repository.torchscript(name, card.version)) for name, card in cards.items()}
    return _subjects(training, training.load(names), data_set, files, repository.set_dir(chosen), names)


def _subjects(
    training: Training,
    trained: TrainedSet,
    data_set: DataSet,
    files: dict[str, tuple[int, Path]],
    folder: Path | None,
    names: Collection[str],
) -> Subjects:
    there = list(trained.decisions)
    unknown = [name for name in dict.fromkeys(names) if name not in there]
    problems = (f"there is no network {', '.join(unknown)}; there are {', '.join(there)}",) if unknown else ()
    networks = tuple(
        Subject(network, trained.decisions[network.name], files[network.name][0], sha256(files[network.name][1]))
        for network in trained.networks
    )
    return Subjects(networks, trained.labels, replace(data_set, films=training.films), folder, problems)
