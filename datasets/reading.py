"""From a manifest of any kind to a data set that was found sound."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from .checks import check_rows, check_splits, unsplit
from .errors import ManifestError, PlanError
from .files import FileLook, look_at_files
from .film import SPLITS, DataSet, Film, Split
from .labels import PAPER_HIERARCHY, complete, in_order, make_labels
from .look_alikes import find_look_alikes
from .noticed import notice
from .readers import Kind, Row, read_table
from .splitting import SHARES, connect, split_films
from .stored_split import read_split

__all__ = ["read_data_set"]


def read_data_set(
    path: Path,
    images: Path | None = None,
    *,
    kind: Kind = "auto",
    labels: Sequence[str] | None = None,
    implies: Mapping[str, str] = PAPER_HIERARCHY,
    lone_labels: bool = False,
    keep_doubtful: bool = False,
    commercial_only: bool = False,
    split: Path | None = None,
    shares: Mapping[Split, float] = SHARES,
    seed: int = 0,
    pixels: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DataSet:
    """Read a manifest, check all of it, and split it where it is not split.

    Parameters
    ----------
    path : Path
        A manifest or a folder; see `radiolucent.datasets.readers`.
    images : Path, optional
        Folder of the images; each kind has its default.
    kind : str
        One of `radiolucent.datasets.KINDS`; ``auto`` goes by the columns, or by what is in the folder.
    labels : sequence of str, optional
        Labels to learn, in the order of the logits; default: those that occur, the paper's first. A manifest of the
        user's own may name no other; of a public data set they select.
    implies : mapping of str to str
        Hierarchy: label to parent.
    lone_labels : bool
        Accept labels that are none of those known here and that one film alone has; else they are mistakes.
    keep_doubtful : bool
        Keep rows whose ``label_check`` contradicts or doubts their labels.
    commercial_only : bool
        Leave out films whose licence forbids commercial use or does not tell.
    split : Path, optional
        A stored split, which wins over the manifest's; see `radiolucent.datasets.write_split`.
    shares : mapping of str to float
        Of the split that is made where there is none.
    seed : int
        Of that split.
    pixels : bool
        Decode every film to find damage and look-alikes; else only headers are read.
    progress : callable
        Told films looked at and films in all. What it raises stops the work.

    Returns
    -------
    DataSet
        Films with labels, groups and splits.

    Raises
    ------
    ManifestError
        With everything that is wrong.
    LabelsError
        If the labels or the hierarchy cannot be.
    """
    table = read_table(path, images, kind=kind, keep_doubtful=keep_doubtful)
    left_out = dict(table.left_out)
    if commercial_only:
        allowed = tuple(row for row in table.rows if row.commercial_use)
        if len(allowed) < len(table.rows):
            left_out["no commercial use"] = len(table.rows) - len(allowed)
        table = replace(table, rows=allowed, left_out=left_out)
    problems = check_rows(table, labels, lone_labels=lone_labels)
    rows = table.rows
    if split is not None:
        rows, found = _with_stored_split(rows, split)
        problems += found
    elif not table.own_words:  # a public data set's reader tells more
        problems += unsplit(rows)
    problems += check_splits(rows)
    looked_at = [row for row in rows if row.there]
    paths = [row.path for row in looked_at]
    looks = dict(zip(paths, look_at_files(paths, pixels=pixels, progress=progress), strict=True))
    problems += [
        f"{row.at}: file {row.file!r}: {looks[row.path].problem}" for row in looked_at if looks[row.path].problem
    ]
    problems += _identical([row for row in looked_at if not looks[row.path].problem], looks)
    if problems:
        raise ManifestError(table.path, problems)

    films = _films(rows, looks, implies)
    present = {name for row in rows for name in row.present}
    names = tuple(labels) if labels is not None else in_order(present.intersection(table.labels or present))
    made = make_labels(names, implies)
    films = _split(table.path, films, shares, seed)
    problems = [f"split {name!r} has no films" for name in SPLITS if all(film.split != name for film in films)]
    if problems:
        raise ManifestError(table.path, problems)
    checksum = table.checksum or _checksum(rows, looks)
    alike = _look_alikes(films, looks)
    read = DataSet(table.path, table.name, checksum, made, films, left_out, look_alikes=alike)
    return replace(read, warnings=(*table.warnings, *notice(read)))


def _with_stored_split(rows: Sequence[Row], path: Path) -> tuple[tuple[Row, ...], list[str]]:
    splits = read_split(path)
    problems = [f"{row.at}: file {row.file!r} is not in {path.name}" for row in rows if row.file not in splits]
    wrong = sorted({value for value in splits.values() if value not in SPLITS})
    if wrong:
        problems.append(f"{path.name}: split {', '.join(map(repr, wrong))} is not one of {', '.join(SPLITS)}")
    return tuple(replace(row, split=splits.get(row.file, "")) for row in rows), problems


def _identical(rows: Sequence[Row], looks: Mapping[Path, FileLook]) -> list[str]:
    """Report files of the same bytes that are in two splits, or that are labelled differently."""
    first: dict[str, Row] = {}
    problems = []
    for row in rows:
        before = first.setdefault(looks[row.path].sha256, row)
        if before is row or before.file == row.file:
            continue
        same = f"{row.at}: file {row.file!r} is the same as {before.file!r} ({before.at})"
        if row.split != before.split:
            problems.append(f"{same}, but in {row.split!r} and not in {before.split!r}")
        apart = [name for name, value in row.stated.items() if before.stated.get(name, value) != value]
        if apart:
            problems.append(f"{same}, but they contradict each other on {', '.join(sorted(apart))}")
    return problems


def _films(rows: Sequence[Row], looks: Mapping[Path, FileLook], implies: Mapping[str, str]) -> tuple[Film, ...]:
    keys = [
        (row.group and f"group {row.group}", row.patient and f"patient {row.patient}", looks[row.path].sha256)
        for row in rows
    ]
    names: dict[int, str] = {}
    films = []
    for row, part in zip(rows, connect(keys), strict=True):
        group = names.setdefault(part, row.group or row.patient or row.file)
        films.append(
            Film(
                row.path,
                row.file,
                row.line,
                complete(row.stated, implies, row.unknown),
                group,
                row.patient or group,
                cast("Split | None", row.split or None),
                row.source,
                row.view,
                row.sex,
                row.age,
                row.width,
                row.height,
                row.licence,
                row.commercial_use,
            )
        )
    return tuple(films)


def _split(path: Path, films: tuple[Film, ...], shares: Mapping[Split, float], seed: int) -> tuple[Film, ...]:
    """Split what is not split; of a data set with training and test films alone, validation comes from the former."""
    given = {film.split for film in films if film.split is not None}
    try:
        if not given:
            made = split_films(films, shares=shares, seed=seed)
        elif given == {"train", "test"}:
            train = [film for film in films if film.split == "train"]
            both: Mapping[Split, float] = {"train": shares["train"], "val": shares["val"]}
            made = split_films(train, shares=both, seed=seed)
        else:
            return films
    except PlanError as error:
        raise ManifestError(path, [str(error)]) from error
    return tuple(replace(film, split=made.get(film.file, film.split)) for film in films)


def _checksum(rows: Sequence[Row], looks: Mapping[Path, FileLook]) -> str:
    lines = sorted(f"{looks[row.path].sha256}  {row.file}\n" for row in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _look_alikes(films: Sequence[Film], looks: Mapping[Path, FileLook]) -> tuple[tuple[str, str], ...]:
    """Return the files of films of different groups that look alike."""
    seen = [(film, looks[film.path]) for film in films if looks[film.path].hash is not None]
    if not seen:
        return ()
    hashes = np.stack([look.hash for _, look in seen if look.hash is not None])
    thumbnails = [look.thumbnail for _, look in seen if look.thumbnail is not None]
    pairs = [(seen[pair.first][0], seen[pair.second][0]) for pair in find_look_alikes(hashes, thumbnails)]
    return tuple((one.file, two.file) for one, two in pairs if one.group != two.group)
