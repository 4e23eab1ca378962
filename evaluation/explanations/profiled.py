"""Neuron activation profiles of the audited networks, for dead feature maps and for the report."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...handlers.errors import RepositoryError
from ...handlers.profile import ProfileRecord, load_planes, load_record
from ..storing import write_record
from .errors import AuditRefused

__all__ = ["kept_profiles", "keep_profiles", "planes_of", "read_profiles"]

KEPT = "profiles"
"""In the folder of the tables: the records, without their planes."""


def read_profiles(folder: Path, weights: Mapping[str, str]) -> tuple[ProfileRecord, ...]:
    """Read one profile of each audited network that has it.

    Parameters
    ----------
    folder : Path
        Such as ``profile/by-label/profiles/by-label``: a file for each network, as `radiolucent profile` writes them.
    weights : mapping of str to str
        Checksum of each audited network's weights.

    Raises
    ------
    AuditRefused
        With everything that is wrong: no profile there, damaged ones, or of other weights.
    """
    names = [name for name in weights if (folder / f"{name}.json").is_file()]
    problems = [] if names else [f"--profiles {folder}: there is no profile of {', '.join(weights)}"]
    found = []
    for name in names:
        try:
            record = load_record(folder.resolve().parent, folder.resolve().name, name)
        except RepositoryError as error:
            problems.append(f"--profiles: {error}")
            continue
        if record.model_sha256 != weights[name]:
            problems.append(f"--profiles {folder}: {name} was profiled with other weights than are audited")
        found.append(record)
    if problems:
        raise AuditRefused(problems)
    return tuple(found)


def planes_of(
    folder: Path, records: tuple[ProfileRecord, ...]
) -> Iterator[tuple[ProfileRecord, Mapping[int, NDArray[np.float32]]]]:
    """Yield profiles with their planes, one after the other.

    Raises
    ------
    RepositoryError
        If the planes of one are missing or damaged.
    """
    for record in records:
        yield record, load_planes(folder.resolve().parent, record)


def keep_profiles(records: tuple[ProfileRecord, ...], tables: Path) -> None:
    """Write the records beside the tables, so that everything can be computed again from there; older ones go."""
    shutil.rmtree(tables / KEPT, ignore_errors=True)
    for record in records:
        place = tables / KEPT / record.name
        place.mkdir(parents=True, exist_ok=True)
        write_record(record, place / f"{record.network}.json")


def kept_profiles(tables: Path) -> tuple[ProfileRecord, ...]:
    """Read the records that `keep_profiles` wrote; none where it did not.

    Raises
    ------
    RepositoryError
        If one is damaged.
    """
    paths = sorted((tables / KEPT).glob("*/*.json"))
    return tuple(load_record(tables / KEPT, path.parent.name, path.stem) for path in paths)
