"""A folder of DICOM files: what their headers tell, with labels from folders of classes or from a table beside them.

A patient's identifier becomes a pseudonym at once: a hash, salted with the data set's own instance UIDs, so that nobody
who lacks the files can try identifiers. No name is read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...handlers.repository.checksum import sha256
from ..errors import ManifestError
from .class_folders import IMAGE_SUFFIXES, classes_below
from .manifest_csv import row_of
from .row import Row, Table
from .values import age, columns, listed, read_csv, sex

__all__ = ["holds_dicom", "read_dicom_folder"]

_MAGIC = b"DICM"
_LOOKED_AT = 50
_TABLES = ("labels.csv", "manifest.csv")
_FILE, _UID = "file", "sop_instance_uid"
_TAGS = ("PatientID", "PatientSex", "PatientAge", "ViewPosition", "Modality", "SOPInstanceUID", "Rows", "Columns")
_X_RAYS = ("CR", "DX", "RG", "")
_LATERAL = ("LL", "RL", "LATERAL", "LAT", "L", "LLD", "RLD")


@dataclass(frozen=True)
class _Header:
    path: Path
    instance: str = ""
    patient: str = ""
    sex: str = ""
    age: float | None = None
    view: str = ""
    modality: str = ""
    width: int | None = None
    height: int | None = None
    readable: bool = True


def holds_dicom(folder: Path) -> bool:
    """Tell whether one of the first files below a folder is DICOM."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return any(_is_dicom(path) for path, _ in zip(files, range(_LOOKED_AT), strict=False))


def read_dicom_folder(path: Path, images: Path | None = None) -> Table:
    """Read DICOM files and their labels.

    Parameters
    ----------
    path : Path
        A folder, with ``labels.csv`` in it or folders of classes; or the table itself. The table has the column
        ``file`` (relative to the folder) or ``sop_instance_uid``, the column ``labels``, and any other of
        `radiolucent.datasets.readers.manifest_csv.read_manifest`; what it says wins over the headers.
    images : Path, optional
        The folder of the files, where ``path`` is a table that lies elsewhere.

    Returns
    -------
    Table
        A row for each frontal X-ray; other views and other modalities are left out and counted.

    Raises
    ------
    ManifestError
        If there is nothing to read.
    """
    folder = images or (path if path.is_dir() else path.parent)
    table = path if path.is_file() else next((path / name for name in _TABLES if (path / name).is_file()), None)
    files = sorted(file for file in folder.rglob("*") if file.is_file() and _is_dicom(file))
    if not files:
        raise ManifestError(path, ["holds no DICOM file"])
    headers = [_read(file) for file in files]
    salt = "".join(sorted(header.instance for header in headers))
    rows, left_out = _labelled_by_folder(path, headers) if table is None else _labelled_by_table(table, folder, headers)
    by_path = {header.path: header for header in headers}
    kept = []
    for row in rows:
        header = by_path.get(row.path)
        reason = "" if header is None else _reason_to_leave_out(header)
        if reason:
            left_out[reason] += 1
        else:
            kept.append(row if header is None else _with(row, header, salt))
    checksum = "" if table is None else sha256(table)
    return Table(path, tuple(kept), path.resolve().name, left_out=left_out, checksum=checksum)


def _labelled_by_folder(path: Path, headers: Sequence[_Header]) -> tuple[list[Row], Counter[str]]:
    paths = {header.path for header in headers}  # most DICOM files have no suffix
    below = list(classes_below(path))
    found = [(name, split, file) for name, split, file in below if file in paths]
    others = sum(file not in paths and file.suffix.lower() in IMAGE_SUFFIXES for _, _, file in below)
    left_out = Counter({"in no folder of a class": len(paths) - len(found), "no DICOM file": others})
    classes = sorted({name for name, _, _ in found})
    rows = [
        Row(file.relative_to(path).as_posix(), file, 0, {one: one == name for one in classes}, split=split)
        for name, split, file in found
    ]
    return rows, +left_out


def _labelled_by_table(table: Path, folder: Path, headers: Sequence[_Header]) -> tuple[list[Row], Counter[str]]:
    header = columns(table)
    key = next((name for name in (_FILE, _UID) if name in header), None)
    missing = [] if key else [f"line 1: column {_FILE!r} (or {_UID!r}) is missing"]
    if "labels" not in header:
        missing.append("line 1: column 'labels' is missing")
    if missing or key is None:
        raise ManifestError(table, missing)
    cells_of = read_csv(table)
    occurring = {name for _, cells in cells_of for name in listed(cells["labels"])}
    by_instance: Mapping[str, Path] = {one.instance: one.path for one in headers if one.instance}
    rows = []
    for line, cells in cells_of:
        problems = [] if cells[key] else [f"{key} is empty"]
        file = cells[key]
        found = folder / file if key == _FILE else by_instance.get(file)
        if key == _UID and file and found is None:
            problems.append("there is no DICOM file with its sop_instance_uid")
        named = found.relative_to(folder).as_posix() if found is not None and key == _UID else file
        rows.append(row_of(cells, line, named, found or folder / named, occurring, problems))
    used = {row.path for row in rows}
    unnamed = sum(one.path not in used for one in headers)
    return rows, Counter({f"not in {table.name}": unnamed} if unnamed else {})


def _with(row: Row, header: _Header, salt: str) -> Row:
    patient = row.patient or header.patient
    pseudonym = hashlib.sha256(f"{salt}\0{patient}".encode()).hexdigest()[:16] if patient else ""
    problems = row.problems
    if not header.readable:
        problems = (*problems, "its DICOM header cannot be read")
    elif not (pseudonym or row.group):
        problems = (*problems, "its DICOM header has no PatientID: name its group_id in a table")
    return replace(
        row,
        patient=pseudonym,
        sex=row.sex or header.sex,
        age=row.age if row.age is not None else header.age,
        view=row.view or header.view,
        width=row.width or header.width,
        height=row.height or header.height,
        problems=problems,
    )


def _reason_to_leave_out(header: _Header) -> str:
    if header.modality not in _X_RAYS:
        return "not an X-ray"
    return "not a frontal view" if header.view in _LATERAL else ""


def _read(path: Path) -> _Header:
    from pydicom import dcmread

    from ...handlers.dicom import quiet
    from ...handlers.limits import FAULTS

    with quiet():
        try:
            found = dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
            told = {tag: str(found.get(tag, "") or "").strip() for tag in _TAGS}
        except FAULTS:
            return _Header(path, readable=False)
    return _Header(
        path,
        told["SOPInstanceUID"],
        told["PatientID"],
        sex(told["PatientSex"]),
        age(told["PatientAge"]),
        told["ViewPosition"].upper(),
        told["Modality"].upper(),
        int(told["Columns"]) if told["Columns"].isdigit() else None,
        int(told["Rows"]) if told["Rows"].isdigit() else None,
    )


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == _MAGIC
    except OSError:
        return False
