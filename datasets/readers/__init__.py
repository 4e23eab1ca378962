"""Readers of manifests, one for each kind; all return the same rows, which are checked in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..errors import ManifestError
from .class_folders import read_class_folders
from .covid_chestxray import COVID_COLUMNS, read_covid_chestxray
from .manifest_csv import DOUBTFUL, read_manifest
from .nih import NIH_COLUMNS, read_nih
from .row import Row, Table
from .values import columns

__all__ = ["DOUBTFUL", "KINDS", "Kind", "Row", "Table", "read_table"]

Kind = Literal["auto", "csv", "covid-chestxray", "nih", "folders", "dicom"]

KINDS: tuple[Kind, ...] = ("auto", "csv", "covid-chestxray", "nih", "folders", "dicom")


def read_table(path: Path, images: Path | None = None, *, kind: Kind = "auto", keep_doubtful: bool = False) -> Table:
    """Read the rows of a manifest or a folder, unchecked.

    Parameters
    ----------
    path : Path
        The manifest, or a folder.
    images : Path, optional
        Folder of the images; each kind has its default.
    kind : str
        One of `KINDS`; ``auto`` goes by the columns, or by what is in the folder.
    keep_doubtful : bool
        See `read_manifest`.

    Returns
    -------
    Table
        What was found.

    Raises
    ------
    ManifestError
        If it cannot be read at all.
    """
    if not path.exists():
        raise ManifestError(path, ["does not exist"])
    file = _manifest_in(path) if path.is_dir() else path
    if kind == "auto":
        kind = _kind_of(file)
    if kind in ("folders", "dicom"):
        if kind == "dicom":
            from .dicom_folder import read_dicom_folder

            return read_dicom_folder(path, images)
        if not path.is_dir():
            raise ManifestError(path, ["is no folder, as a folder for each class must be"])
        return read_class_folders(path)
    if file.is_dir():
        raise ManifestError(path, [f"is a folder without the CSV file that a data set of the kind {kind!r} has"])
    if kind == "nih":
        return read_nih(file, images)
    if kind == "covid-chestxray":
        return read_covid_chestxray(file, images)
    return read_manifest(file, images, keep_doubtful=keep_doubtful)


def _manifest_in(folder: Path) -> Path:
    """Return the manifest of a folder, or the folder."""
    named = [
        folder / "manifest.csv",
        folder / "metadata.csv",
        *sorted(folder.glob("Data_Entry_2017*.csv"), reverse=True),
    ]
    return next((file for file in named if file.is_file()), folder)


def _kind_of(path: Path) -> Kind:
    if path.is_dir():
        from .dicom_folder import holds_dicom

        return "dicom" if holds_dicom(path) else "folders"
    header = columns(path)
    if set(NIH_COLUMNS).issubset(header):
        return "nih"
    if set(COVID_COLUMNS).issubset(name.lower() for name in header):
        return "covid-chestxray"
    return "dicom" if "sop_instance_uid" in header else "csv"
