"""Read a manifest of X-rays: one CSV row per film, labels separated by semicolons, split by group.

All problems are reported at once, each with its line, so that a manifest is repaired in one go.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..handlers.card import Label
from ..handlers.decode import decode
from ..handlers.errors import ImageError, RepositoryError
from ..handlers.image import XRay
from ..handlers.repository.checksum import sha256
from .errors import ManifestError
from .examples import SPLITS, Split
from .labels import PAPER_HIERARCHY, make_labels

__all__ = ["DOUBTFUL", "Film", "Manifest", "read_manifest"]

DOUBTFUL = ("rsna_contradicts", "uncertain")
"""How ``label_check`` starts where a second opinion contradicts a row's labels."""

NO_FINDING = "No Finding"
_SHARES: Mapping[Split, float] = {"train": 0.7, "val": 0.1, "test": 0.2}


@dataclass(frozen=True)
class Film:
    """One row of a manifest.

    Parameters
    ----------
    path : Path
        The image.
    labels : frozenset of str
        True labels, as written: implied ones are not added, since an explicit label wins over an implied one.
    group : str
        Films of one group never end in two splits.
    line : int
        In the manifest, from 1.
    """

    path: Path
    labels: frozenset[str]
    group: str
    line: int


@dataclass(frozen=True)
class Manifest:
    """A manifest that was found sound; an `Examples`.

    Parameters
    ----------
    path : Path
        The file.
    checksum : str
        Its SHA-256.
    labels : tuple of Label
        Those that occur, those of the paper in its order first.
    films : mapping of str to tuple of Film
        By split.
    left_out : int
        Rows left out for their doubtful labels.
    """

    path: Path
    checksum: str
    labels: tuple[Label, ...]
    films: Mapping[Split, tuple[Film, ...]]
    left_out: int

    @property
    def name(self) -> str:
        """How a model card calls the data."""
        return self.path.parent.name + "/" + self.path.name

    def count(self, split: Split) -> int:
        """Return how many films a split has."""
        return len(self.films[split])

    def load(self, split: Split, index: int) -> tuple[XRay, frozenset[str]]:
        """Decode one film.

        Raises
        ------
        ManifestError
            If its file cannot be used; names line and file.
        """
        film = self.films[split][index]
        try:
            return decode(film.path.read_bytes()), film.labels
        except (ImageError, OSError) as error:
            raise ManifestError(self.path, [f"line {film.line}: file {film.path.name!r}: {error}"]) from error


def read_manifest(
    path: Path,
    images: Path | None = None,
    *,
    implies: Mapping[str, str] = PAPER_HIERARCHY,
    keep_doubtful: bool = False,
    seed: int = 0,
) -> Manifest:
    """Read and check a manifest.

    Parameters
    ----------
    path : Path
        CSV with the columns ``file`` and ``labels``, a group (``group_id``, or else ``patient_id``), and optionally
        ``split`` (train, val or test) and ``label_check``. Other columns are not looked at.
    images : Path, optional
        Folder that ``file`` is relative to; default: the manifest's own.
    implies : mapping of str to str
        Label hierarchy.
    keep_doubtful : bool
        Keep rows whose ``label_check`` starts with one of `DOUBTFUL`.
    seed : int
        Of the split by groups that is made where the manifest has none.

    Returns
    -------
    Manifest
        Films by split.

    Raises
    ------
    ManifestError
        With everything that is wrong.
    """
    folder = images or path.parent
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = tuple(reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
        checksum = sha256(path)
    except (OSError, UnicodeDecodeError, csv.Error, RepositoryError) as error:
        raise ManifestError(path, [f"cannot be read: {error}"]) from error
    group_column = next((name for name in ("group_id", "patient_id") if name in columns), None)
    missing = [f"line 1: column {name!r} is missing" for name in ("file", "labels") if name not in columns]
    if group_column is None:
        missing.append("line 1: column 'group_id' (or 'patient_id') is missing: without it a patient is in two splits")
    if missing or group_column is None:
        raise ManifestError(path, missing)

    problems: list[str] = []
    films: list[tuple[Film, str]] = []
    left_out = 0
    for line, row in rows:
        if not keep_doubtful and (row.get("label_check") or "").startswith(DOUBTFUL):
            left_out += 1
            continue
        film, found = _read_row(row, line, folder, group_column)
        split = (row.get("split") or "").strip()
        if "split" in columns and split not in SPLITS:
            found.append(f"line {line}: split {split!r} is not one of {', '.join(SPLITS)}")
        problems += found
        films.append((film, split))
    if not rows:
        problems.append("has no rows")
    problems += _duplicates([film for film, _ in films])
    if "split" in columns:
        problems += _leaks(films)
        by_split = {name: tuple(film for film, split in films if split == name) for name in SPLITS}
    else:
        by_split = _split_groups([film for film, _ in films], seed)
    if not problems:
        problems += [f"split {name!r} has no films" for name in SPLITS if not by_split[name]]
    if problems:
        raise ManifestError(path, problems)
    present = {name for film, _ in films for name in film.labels}
    order = [*PAPER_HIERARCHY, "Pneumonia", NO_FINDING]
    names = [name for name in order if name in present] + sorted(present.difference(order))
    return Manifest(path, checksum, make_labels(names, implies), by_split, left_out)


def _read_row(row: Mapping[str, str | None], line: int, folder: Path, group_column: str) -> tuple[Film, list[str]]:
    problems = []
    name = (row.get("file") or "").strip()
    path = folder / name
    if not name:
        problems.append(f"line {line}: file is empty")
    elif not path.is_file():
        problems.append(f"line {line}: file {name!r} does not exist in {folder}")
    labels = frozenset(part.strip() for part in (row.get("labels") or "").split(";") if part.strip())
    if not labels:
        problems.append(f"line {line}: labels is empty (a healthy film says {NO_FINDING!r})")
    if NO_FINDING in labels and len(labels) > 1:
        problems.append(f"line {line}: labels say {NO_FINDING!r} and {', '.join(sorted(labels - {NO_FINDING}))!r}")
    group = (row.get(group_column) or "").strip()
    if not group:
        problems.append(f"line {line}: {group_column} is empty")
    return Film(path, labels, group, line), problems


def _duplicates(films: Sequence[Film]) -> list[str]:
    first: dict[Path, int] = {}
    problems = []
    for film in films:
        line = first.setdefault(film.path, film.line)
        if line != film.line:
            problems.append(f"line {film.line}: file {film.path.name!r} is on line {line} already")
    return problems


def _leaks(films: Sequence[tuple[Film, str]]) -> list[str]:
    first: dict[str, tuple[str, int]] = {}
    problems = []
    for film, split in films:
        where, line = first.setdefault(film.group, (split, film.line))
        if where != split and film.group:
            problems.append(f"line {film.line}: group {film.group!r} is in {split!r}, but in {where!r} on line {line}")
    return problems


def _split_groups(films: Sequence[Film], seed: int) -> dict[Split, tuple[Film, ...]]:
    groups = sorted({film.group for film in films})
    np.random.default_rng(seed).shuffle(groups)
    # Of few groups, at least one for each of the two smaller splits.
    val = max(1, round(_SHARES["val"] * len(groups)))
    test = max(1, round(_SHARES["test"] * len(groups)))
    split_of: dict[str, Split] = dict.fromkeys(groups[:val], "val")
    split_of |= dict.fromkeys(groups[val : val + test], "test")
    return {name: tuple(film for film in films if split_of.get(film.group, "train") == name) for name in SPLITS}
