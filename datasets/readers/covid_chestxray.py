"""``metadata.csv`` of the covid-chestxray-dataset (github.com/ieee8023/covid-chestxray-dataset; arXiv:2006.11988).

A finding is a path such as ``Pneumonia/Viral/COVID-19``: one diagnosis, as far down as it is known. What is on the path
is present, what branches off it is absent, and what lies below its end is unknown.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ...handlers.repository.checksum import sha256
from ..errors import ManifestError
from ..labels import NO_FINDING, PAPER_HIERARCHY
from ..licences import allows_commercial_use
from .row import Row, Table
from .values import FRONTAL, age, columns, excess, read_csv, sex

__all__ = ["COVID_COLUMNS", "read_covid_chestxray", "stated_by"]

COVID_COLUMNS = ("patientid", "finding", "view", "filename")
"""By which a file of this kind is known, in lower case."""

_LABELS = (*PAPER_HIERARCHY, "Pneumonia", NO_FINDING)
_PATHS = {
    "COVID-19": ("Pneumonia", "Viral", "COVID-19"),
    "Viral Pneumonia": ("Pneumonia", "Viral"),
    "Bacterial Pneumonia": ("Pneumonia", "Bacterial"),
    "Pneumonia": ("Pneumonia",),
    NO_FINDING: (NO_FINDING,),
}
_UNKNOWN = ("", "todo", "unknown")
_NO_FINDING = NO_FINDING.lower()


def read_covid_chestxray(path: Path, images: Path | None = None) -> Table:
    """Read the metadata of the covid-chestxray-dataset, for the paper's labels.

    Only frontal X-rays are read (views PA, AP, AP Supine, AP Erect); CT slices, lateral films and films whose finding
    is not told are left out and counted.

    Parameters
    ----------
    path : Path
        ``metadata.csv``.
    images : Path, optional
        Folder of the images; default: beside it, the folder that the column ``folder`` names.

    Returns
    -------
    Table
        Its rows.

    Raises
    ------
    ManifestError
        If it cannot be read or a column is missing.
    """
    header = [name.lower() for name in columns(path)]
    missing = [f"line 1: column {name!r} is missing" for name in COVID_COLUMNS if name not in header]
    if missing:
        raise ManifestError(path, missing)
    left_out: Counter[str] = Counter()
    rows = []
    for line, mixed in read_csv(path):
        cells = {name.lower(): value for name, value in mixed.items()}
        reason = _reason_to_leave_out(cells)
        if reason:
            left_out[reason] += 1
            continue
        file = cells["filename"]
        folder = images or path.parent / (cells.get("folder") or "images")
        patient = cells["patientid"]
        licence = cells.get("license", "")
        problems = excess(cells) + [f"{name} is empty" for name in ("filename", "patientid") if not cells[name]]
        rows.append(
            Row(
                file,
                folder / file,
                line,
                stated_by(cells["finding"]),
                patient=f"ieee8023:{patient}" if patient else "",
                source="ieee8023",
                view=cells["view"],
                sex=sex(cells.get("sex", "")),
                age=age(cells.get("age", "")),
                licence=licence,
                commercial_use=allows_commercial_use(licence),
                problems=tuple(problems),
            )
        )
    name = f"covid-chestxray-dataset/{path.name}"
    return Table(path, tuple(rows), name, _LABELS, own_words=True, left_out=left_out, checksum=sha256(path))


def stated_by(finding: str) -> dict[str, bool]:
    """Return what a finding says of the paper's labels.

    Parameters
    ----------
    finding : str
        Such as ``Pneumonia/Bacterial/Streptococcus``; older versions of the file list several, such as
        ``COVID-19, ARDS``.

    Returns
    -------
    dict of str to bool
        Labels that are present or absent; those that are missing are unknown.
    """
    paths = [tuple(part.strip().lower() for part in one.split("/")) for one in finding.split(",") if one.strip()]
    named = {path[-1] for path in _PATHS.values()}
    # Older versions name the last part alone.
    full = {path[-1].lower(): tuple(part.lower() for part in path) for path in _PATHS.values()}
    paths = [full.get(path[0], path) if len(path) == 1 and path[0] in map(str.lower, named) else path for path in paths]
    stated = {}
    for label, mixed in _PATHS.items():
        wanted = tuple(part.lower() for part in mixed)
        on = [path[: len(wanted)] == wanted for path in paths]
        above = [path == wanted[: len(path)] for path in paths]
        if any(on):
            stated[label] = True
        elif not any(above):
            stated[label] = False
    return stated


def _reason_to_leave_out(cells: dict[str, str]) -> str:
    if cells.get("modality", "X-ray").lower() not in ("", "x-ray"):
        return "not an X-ray"
    if cells["view"] not in FRONTAL:
        return "not a frontal view"
    return "finding not told" if cells["finding"].lower() in _UNKNOWN else ""
