"""Networks that were trained together and how they decide, from a run of the training or from a model set."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast, get_args

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from ..datasets import Split
from ..handlers import InputSpec, Label, RepositoryError
from ..handlers.calibration import Calibration
from ..handlers.card import DataRecord, Sha256
from ..handlers.repository import Repository, load_set
from ..handlers.torchscript import load_torchscript
from .errors import RunUnreadable
from .networks import Network
from .tables import Decision

__all__ = ["TrainedSet", "folds_of_run", "read_labels", "read_repository", "read_run", "read_splits"]

Document = TypeVar("Document", bound=BaseModel)


@dataclass(frozen=True, eq=False)
class TrainedSet:
    """Networks that belong together.

    Parameters
    ----------
    networks : tuple of Network
        In the order in which answers list them.
    labels : tuple of Label
        With their hierarchy, in the order of the logits.
    decisions : dict of str to Decision
        By network; of those too that were not loaded.
    mean_thresholds : tuple of float
        Of the mean probability, per label.
    data : DataRecord, optional
        What they were trained on; None where it is not known or not the same for all.
    versions : dict of str to str
        Of the libraries that made them.
    """

    networks: tuple[Network, ...]
    labels: tuple[Label, ...]
    decisions: dict[str, Decision]
    mean_thresholds: tuple[float, ...]
    data: DataRecord | None
    versions: dict[str, str]


class _Document(BaseModel):
    """Part of a document of the training: what else it says is not needed here."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _NetworkSettings(_Document):
    size: int


class _Settings(_Document):
    data: DataRecord
    labels: tuple[Label, ...]
    networks: dict[str, _NetworkSettings]


class _Threshold(_Document):
    value: float


class _Run(_Document):
    mean_thresholds: tuple[_Threshold, ...]
    versions: dict[str, str] = {}


class _Result(_Document):
    thresholds: tuple[_Threshold, ...]
    calibration: Calibration | None
    model: Sha256


def folds_of_run(folder: Path) -> tuple[Path, ...]:
    """Return the runs of a folder: itself, or its subfolders that hold one each, by name.

    Raises
    ------
    RunUnreadable
        If there is no finished run.
    """
    if (folder / "run.json").is_file():
        return (folder,)
    found = tuple(sorted(path.parent for path in folder.glob("*/run.json")))
    if not found:
        raise RunUnreadable(folder, "holds no finished run of `radiolucent train` (run.json)")
    return found


def read_run(folder: Path, only: Collection[str] = ()) -> TrainedSet:
    """Load the networks of a finished run, or some of them.

    Raises
    ------
    RunUnreadable
        If a document is missing or says something else, or a network is not the file that was written.
    """
    settings = _read(_Settings, folder / "settings.json")
    run = _read(_Run, folder / "run.json")
    networks, decisions = [], {}
    for name, own in settings.networks.items():
        result = _read(_Result, folder / name / "result.json")
        decisions[name] = Decision(thresholds=_values(result.thresholds), calibration=result.calibration)
        if only and name not in only:
            continue
        try:
            script = _load(folder / name / "model.pt", result.model)
        except RepositoryError as error:
            raise RunUnreadable(folder, str(error)) from error
        networks.append(Network(name, InputSpec(size=own.size), script))
    return TrainedSet(
        tuple(networks), settings.labels, decisions, _values(run.mean_thresholds), settings.data, dict(run.versions)
    )


def read_labels(folder: Path) -> tuple[str, ...]:
    """Return the names of the labels of a run, without loading its networks.

    Raises
    ------
    RunUnreadable
        If ``settings.json`` is missing or says something else.
    """
    return tuple(label.name for label in _read(_Settings, folder / "settings.json").labels)


def read_splits(folder: Path) -> dict[str, Split]:
    """Return the split of each film of a run, by the name of its file.

    Raises
    ------
    RunUnreadable
        If ``splits.csv`` is missing or has other columns or splits.
    """
    path = folder / "splits.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            splits = {row["file"]: row["split"] for row in csv.DictReader(file)}
    except OSError as error:
        raise RunUnreadable(path, f"cannot be read: {error.strerror}") from error
    except KeyError as error:
        raise RunUnreadable(path, f"has no column {error}") from error
    if unknown := sorted(set(splits.values()).difference(get_args(Split))):
        raise RunUnreadable(path, f"has unknown splits: {', '.join(unknown)}")
    return {file: cast(Split, split) for file, split in splits.items()}


def read_repository(repository: Repository, version: int, only: Collection[str] = ()) -> TrainedSet:
    """Load the networks of a published model set, or some of them.

    Raises
    ------
    CardError, RepositoryError
        At the first thing that is wrong with it.
    """
    loaded = load_set(repository, version, check=not only)  # files that are loaded are checked below
    networks, decisions = [], {}
    for name, member in loaded.cards.items():
        thresholds = tuple(label.threshold for label in member.labels)
        decisions[name] = Decision(thresholds=thresholds, calibration=member.calibration)
        if only and name not in only:
            continue
        path = repository.torchscript(name, member.version)
        if "model.pt" not in member.files:
            raise RepositoryError(path, "is missing: this network has no TorchScript copy to be run without a server")
        networks.append(Network(name, member.input, _load(path, member.files["model.pt"])))
    card = loaded.card
    mean_thresholds = tuple(label.threshold for label in card.labels)
    return TrainedSet(tuple(networks), card.labels, decisions, mean_thresholds, card.data, dict(card.versions))


def _load(path: Path, checksum: str) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        # TorchScript is deprecated without a successor that can be explained; a user can do nothing about it.
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is (deprecated|not supported)")
        return load_torchscript(path, checksum)


def _values(thresholds: Sequence[_Threshold]) -> tuple[float, ...]:
    return tuple(threshold.value for threshold in thresholds)


def _read(kind: type[Document], path: Path) -> Document:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RunUnreadable(path, f"cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise RunUnreadable(path, f"is not what the training writes: {where}: {first['msg']}") from error
