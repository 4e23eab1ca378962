"""Where profiles are, and how they are written and read.

::

    model_repository/chest_xray/2/profiles/
        by-label/resnet18.json      the record
        by-label/resnet18.npz       planes: means_<place>, float32 [groups, channels, height, width] of each layer
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ..errors import RepositoryError
from ..repository.checksum import sha256
from .record import ProfileRecord

__all__ = ["PROFILES", "load_planes", "load_record", "records", "save_profile"]

PROFILES = "profiles"
"""In the folder of a model set."""

Planes = NDArray[np.float32]


def save_profile(folder: Path, record: ProfileRecord, planes: Sequence[Planes]) -> None:
    """Write a profile; one of the same name and network is replaced as a whole.

    Parameters
    ----------
    folder : Path
        Such as ``chest_xray/2/profiles``; made where it is missing.
    record : ProfileRecord
        What it is; its `planes_sha256` is set here.
    planes : sequence of ndarray of float32, shape [groups, channels, height, width]
        Mean activations of each layer.
    """
    place = folder / record.name
    place.mkdir(parents=True, exist_ok=True)
    content = BytesIO()
    np.savez_compressed(content, **{f"means_{number}": plane for number, plane in enumerate(planes)})
    _write(_planes(folder, record.name, record.network), content.getvalue())
    record = record.model_copy(update={"planes_sha256": sha256(_planes(folder, record.name, record.network))})
    _write(_record(folder, record.name, record.network), (record.model_dump_json(indent=2) + "\n").encode())


def records(folder: Path) -> list[tuple[str, str]]:
    """Return (name, network) of every profile of a folder, sorted; none where there is no such folder."""
    return sorted((path.parent.name, path.stem) for path in folder.glob("*/*.json"))


def load_record(folder: Path, name: str, network: str) -> ProfileRecord:
    """Read what a profile is.

    Raises
    ------
    RepositoryError
        If there is none, or its record is not what `save_profile` writes.
    """
    path = _record(folder, name, network)
    try:
        record = ProfileRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RepositoryError(path, f"cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise RepositoryError(path, f"is not the record of a profile: {error.error_count()} problems") from error
    if (record.name, record.network) != (name, network):
        raise RepositoryError(path, f"is the record of {record.name}/{record.network}")
    return record


def load_planes(folder: Path, record: ProfileRecord) -> Mapping[int, Planes]:
    """Read the mean activations of every layer, by its place, float32 [groups, channels, height, width].

    Raises
    ------
    RepositoryError
        If the file is missing, altered, or has other shapes than the record says.
    """
    path = _planes(folder, record.name, record.network)
    try:
        if sha256(path) != record.planes_sha256:
            raise RepositoryError(path, "is not the file that the record was written for")
        with np.load(path, allow_pickle=False) as content:
            found = {number: content[f"means_{number}"] for number in range(len(record.layers))}
    except OSError as error:
        raise RepositoryError(path, f"cannot be read: {error.strerror or error}") from error
    except (KeyError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise RepositoryError(path, "does not hold the planes of every layer") from error
    for number, layer in enumerate(record.layers):
        expected = (len(record.groups), layer.channels, layer.height, layer.width)
        if found[number].shape != expected or found[number].dtype != np.float32:
            raise RepositoryError(path, f"has planes of another shape than the record says for {layer.name}")
    return found


def _record(folder: Path, name: str, network: str) -> Path:
    return folder / name / f"{network}.json"


def _planes(folder: Path, name: str, network: str) -> Path:
    return folder / name / f"{network}.npz"


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)
