"""What is kept of one film as soon as it is finished: a record and its maps, each whole or not there at all."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from ...handlers import Affine
from ..errors import EvaluationError, TableError
from ..storing import read_record
from .asked import AuditAsked
from .errors import AuditRefused

__all__ = ["FilmMaps", "FilmRecord", "MapName", "Records", "film_id", "read_maps"]

MapName = tuple[str, str, str]
"""Network, method, label."""

_ASKED, _FILMS, _MAPS = "asked.json", "films", "maps"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


class FilmRecord(BaseModel):
    """``films/<film>.json``: everything of a film but its maps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    explained: tuple[str, ...]
    probabilities: dict[str, dict[str, float]]
    """By network, and ``mean``; empty where the film was refused."""
    called: dict[str, tuple[str, ...]]
    measured: tuple[tuple[str, str, str, str, float], ...]
    """Network, method, label, quantity, value."""
    failed: tuple[tuple[str, str, str, str, str], ...]
    """Network, method, label, what, reason."""
    method_parameters: dict[str, dict[str, Any]]
    """What each method ran with, defaults included."""
    measure_parameters: dict[str, dict[str, Any]]
    """The same of the measures."""
    worker_seconds: dict[str, float]
    """By ``method <name>`` and ``measure <name>``."""
    seconds: float
    """Wall-clock time from the film finished before it, or the start of the run."""
    output_error: float = 0.0
    """Largest change of an explained output by a precision below float32, in the output's units."""


@dataclass(frozen=True, eq=False)
class FilmMaps:
    """``maps/<film>.npz``: the final maps of a film.

    Parameters
    ----------
    maps : dict
        Float32 [S, S] as they came, by network, method and label.
    affines : dict of str to Affine
        From each network's pixels to the film's.
    shape : tuple of int
        Height and width of the film, in its pixels.
    """

    maps: dict[MapName, NDArray[np.float32]]
    affines: dict[str, Affine]
    shape: tuple[int, int]


def film_id(file: str) -> str:
    """Return the name of a film's files: readable, safe on every file system, and different for every film."""
    stem = _UNSAFE.sub("_", Path(file).stem)[:60]
    return f"{stem}-{hashlib.sha256(file.encode()).hexdigest()[:10]}"


class Records:
    """The folder of an audit that is collected.

    Parameters
    ----------
    folder : Path
        What ``--out`` names.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.maps = folder / _MAPS

    def check(self, asked: AuditAsked) -> None:
        """Find that the folder is this audit's, or nobody's.

        Raises
        ------
        AuditRefused
            If another audit is in it; with all that differs.
        """
        path = self.folder / _ASKED
        if not path.exists():
            return
        try:
            differences = read_record(AuditAsked, path).differences(asked)
        except TableError as error:
            raise AuditRefused([f"{path} is not the record of an audit: name another --out ({error})"]) from error
        if differences:
            raise AuditRefused([f"{self.folder} holds another audit; name another --out", *differences])

    def begin(self, asked: AuditAsked) -> None:
        """Make the folder this audit's.

        Raises
        ------
        EvaluationError
            If it cannot be written.
        """
        try:
            for folder in (self.folder / _FILMS, self.maps):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        with _whole(self.folder / _ASKED) as file:
            file.write((asked.model_dump_json(indent=2) + "\n").encode())

    def read(self, files: Iterable[str]) -> dict[str, FilmRecord]:
        """Return the records of those of these films that are finished.

        A record that cannot be read is as good as none: its film is asked again.
        """
        found = {}
        for file in files:
            path = self._record(file)
            if not path.exists():
                continue
            try:
                record = FilmRecord.model_validate_json(path.read_bytes())
            except (OSError, ValidationError):
                continue
            # The maps are written first; whoever took them away wants them back.
            if record.file == file and (not record.probabilities or self.maps_of(file).exists()):
                found[file] = record
        return found

    def write(self, record: FilmRecord, maps: FilmMaps | None) -> None:
        """Keep a finished film.

        Maps are float32, as they came, in a compressed NumPy archive: ``network/method/label``; beside them
        ``affine/network`` (scale x, scale y, offset x, offset y) and ``shape``.

        Parameters
        ----------
        record : FilmRecord
            The film's.
        maps : FilmMaps, optional
            None where the film was refused.

        Raises
        ------
        EvaluationError
            If it cannot be written, such as to a full disk; what was finished before is kept.
        """
        if maps is not None:
            arrays: dict[str, NDArray[Any]] = {"/".join(name): values for name, values in maps.maps.items()}
            for network, affine in maps.affines.items():
                arrays[f"affine/{network}"] = np.asarray(astuple(affine), dtype=np.float64)
            arrays["shape"] = np.asarray(maps.shape, dtype=np.int64)
            with _whole(self.maps_of(record.file)) as file:
                np.savez_compressed(file, **arrays)
        with _whole(self._record(record.file)) as file:
            file.write((record.model_dump_json() + "\n").encode())

    def maps_of(self, file: str) -> Path:
        """Return where a film's maps are."""
        return self.maps / f"{film_id(file)}.npz"

    def _record(self, file: str) -> Path:
        return self.folder / _FILMS / f"{film_id(file)}.json"


def read_maps(path: Path) -> FilmMaps:
    """Read a film's maps, as `Records.write` wrote them.

    Raises
    ------
    OSError, ValueError
        If there are none, or they are damaged.
    """
    maps: dict[MapName, NDArray[np.float32]] = {}
    affines = {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            height, width = stored["shape"].tolist()
            for name in stored.files:
                kind, _, rest = name.partition("/")
                if kind == "affine":
                    affines[rest] = Affine(*stored[name].tolist())
                elif rest:
                    method, _, label = rest.partition("/")
                    maps[kind, method, label] = stored[name]
    except (KeyError, TypeError, BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is damaged") from error
    return FilmMaps(maps, affines, (height, width))


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """Write a file that is there when it is complete, and on the disk when it is there."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> EvaluationError:
    return EvaluationError(
        f"{path} cannot be written: {error.strerror or error}. Films that were finished before are kept: once there is "
        "room, the same command goes on"
    )
