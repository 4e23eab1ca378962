"""Splits on disk: ``file,group,split``, so that a split is made once and used ever after."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from .errors import ManifestError
from .film import Film
from .readers.values import columns, excess, read_csv

__all__ = ["read_split", "write_split"]

_COLUMNS = ("file", "group", "split")


def write_split(films: Sequence[Film], path: Path) -> None:
    """Write which split each film is in.

    Parameters
    ----------
    films : sequence of Film
        Each with a split.
    path : Path
        The CSV file; replaced at once where it is there already.
    """
    temporary = path.with_name(f".{path.name}")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows((film.file, film.group, film.split) for film in films)
    temporary.replace(path)


def read_split(path: Path) -> dict[str, str]:
    """Read a split.

    Parameters
    ----------
    path : Path
        As `write_split` writes it; the column ``group`` is for people.

    Returns
    -------
    dict of str to str
        Split by file, as written.

    Raises
    ------
    ManifestError
        If it cannot be read, a column is missing, or a file is named twice.
    """
    header = columns(path)
    problems = [f"line 1: column {name!r} is missing" for name in ("file", "split") if name not in header]
    if problems:
        raise ManifestError(path, problems)
    splits: dict[str, str] = {}
    for line, cells in read_csv(path):
        problems += [f"line {line}: {problem}" for problem in excess(cells)]
        if cells["file"] in splits:
            problems.append(f"line {line}: file {cells['file']!r} is named before")
        splits[cells["file"]] = cells["split"]
    if problems:
        raise ManifestError(path, problems)
    return splits
