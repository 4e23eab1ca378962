"""The project's own manifest: one CSV row per film."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...handlers.repository.checksum import sha256
from ..errors import ManifestError
from ..licences import allows_commercial_use
from .row import Row, Table
from .values import age, columns, excess, listed, number, read_csv, sex, yes

__all__ = ["DOUBTFUL", "read_manifest", "row_of"]

DOUBTFUL = ("rsna_contradicts", "uncertain")
"""How ``label_check`` starts where a second opinion contradicts a row's labels."""


def read_manifest(path: Path, images: Path | None = None, *, keep_doubtful: bool = False) -> Table:
    """Read a manifest of our own.

    Parameters
    ----------
    path : Path
        CSV with the columns ``file``, ``labels`` and ``group_id`` or ``patient_id``. ``labels`` is complete: a label
        that occurs in the file and is not in a row is absent there, unless the row's ``unknown`` names it. Optional:
        ``split``, ``source``, ``view``, ``sex``, ``age``, ``orig_width``, ``orig_height``, ``licence``,
        ``commercial_use``, ``label_check``.
    images : Path, optional
        Folder that ``file`` is relative to; default: the manifest's own.
    keep_doubtful : bool
        Keep rows whose ``label_check`` starts with one of `DOUBTFUL`.

    Returns
    -------
    Table
        Its rows.

    Raises
    ------
    ManifestError
        If it cannot be read or a column is missing.
    """
    header = columns(path)
    missing = [f"line 1: column {name!r} is missing" for name in ("file", "labels") if name not in header]
    if not {"group_id", "patient_id"}.intersection(header):
        missing.append("line 1: column 'group_id' (or 'patient_id') is missing: without it a patient is in two splits")
    if missing:
        raise ManifestError(path, missing)
    told = "group_id" if "group_id" in header else "patient_id"
    rows = read_csv(path)
    kept = [(line, cells) for line, cells in rows if keep_doubtful or not _doubtful(cells)]
    occurring = {name for _, cells in kept for name in listed(cells["labels"])}
    found = []
    for line, cells in kept:
        problems = [] if cells[told] else [f"{told} is empty"]
        file = cells["file"]
        if not file:
            problems.append("file is empty")
        found.append(row_of(cells, line, file, (images or path.parent) / file, occurring, problems))
    left_out = {"doubtful labels": len(rows) - len(kept)} if len(rows) > len(kept) else {}
    name = path.resolve().parent.name + "/" + path.name
    return Table(path, tuple(found), name, left_out=left_out, checksum=sha256(path))


def row_of(
    cells: Mapping[str, str],
    line: int,
    file: str,
    path: Path,
    occurring: set[str],
    problems: list[str],
) -> Row:
    """Make a row of the cells of a manifest of our own.

    Parameters
    ----------
    cells : mapping of str to str
        By column.
    line : int
        Of the row.
    file : str
        What the film is called.
    path : Path
        Where it is.
    occurring : set of str
        Labels of the whole manifest, which every row is complete for.
    problems : list of str
        What is known to be wrong with it already.
    """
    problems += excess(cells)
    present, unknown = listed(cells.get("labels", "")), listed(cells.get("unknown", ""))
    if not present:
        problems.append("labels is empty (a healthy film says 'No Finding')")
    both = sorted(set(present).intersection(unknown))
    if both:
        problems.append(f"labels and unknown both name {', '.join(map(repr, both))}")
    licence = cells.get("licence", "")
    allowed = yes(cells.get("commercial_use", ""))
    if allowed is None and cells.get("commercial_use"):
        problems.append(f"commercial_use {cells['commercial_use']!r} is neither yes nor no")
    return Row(
        file,
        path,
        line,
        {name: name in present for name in sorted(occurring.difference(unknown).union(present))},
        unknown=frozenset(unknown).difference(present),
        patient=cells.get("patient_id", ""),
        group=cells.get("group_id", ""),
        split=cells.get("split", ""),
        source=cells.get("source", ""),
        view=cells.get("view", ""),
        sex=sex(cells.get("sex", "")),
        age=age(cells.get("age", "")),
        width=number(cells, "orig_width"),
        height=number(cells, "orig_height"),
        licence=licence,
        commercial_use=allows_commercial_use(licence) if allowed is None else allowed,
        problems=tuple(problems),
    )


def _doubtful(cells: Mapping[str, str]) -> bool:
    return cells.get("label_check", "").startswith(DOUBTFUL)
