"""Which X-rays a batch is made of: a folder, or a manifest."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from .errors import InvalidRequest

__all__ = ["Source", "find_sources"]

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".dcm", ".dicom", ".dic"})
_DICOM_MARK = slice(128, 132)


@dataclass(frozen=True)
class Source:
    """An X-ray of a batch.

    Parameters
    ----------
    name : str
        What it is called in the results: relative to the folder, or as the manifest says.
    path : Path
        Where it is.
    """

    name: str
    path: Path


def find_sources(source: Path) -> list[Source]:
    """Find the X-rays.

    Parameters
    ----------
    source : Path
        A folder, searched with those inside it (PNG, JPEG and DICOM files by their suffix, and DICOM files
        whatever they are called; files that cannot be read are among them, so that they are listed as failed), or a
        CSV file with a column ``file``, relative to the folder of the CSV file.

    Returns
    -------
    list of Source
        Sorted by name for a folder, in the manifest's order without repetitions otherwise.

    Raises
    ------
    InvalidRequest
        There is nothing to score, or the manifest has no column ``file``.
    OSError
        It cannot be read.
    """
    found = _in_folder(source) if source.is_dir() else _in_manifest(source)
    if not found:
        raise InvalidRequest(f"{source}: no X-rays here")
    return found


def _in_folder(folder: Path) -> list[Source]:
    return sorted(
        (
            # Names that are not Unicode become so: they go into a table.
            Source(path.relative_to(folder).as_posix().encode(errors="replace").decode(), path)
            for path in folder.rglob("*")
            if not any(part.startswith(".") for part in path.relative_to(folder).parts) and _is_xray(path)
        ),
        key=lambda source: source.name,
    )


def _is_xray(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        if path.suffix.lower() in _SUFFIXES:
            return True
        # Archives often name DICOM files by their identifier alone, whose last digits look like a suffix.
        with path.open("rb") as file:
            return file.read(_DICOM_MARK.stop)[_DICOM_MARK] == b"DICM"
    except OSError:
        return True  # scoring it fails for the same reason, and lists it


def _in_manifest(manifest: Path) -> list[Source]:
    with manifest.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        try:
            if "file" not in (rows.fieldnames or ()):
                raise InvalidRequest(f"{manifest}: a manifest is a CSV file with a column named file")
            names = [row["file"] for row in rows if row["file"]]
        except (UnicodeDecodeError, csv.Error) as error:
            raise InvalidRequest(f"{manifest}: neither a folder nor a CSV file") from error
    return [Source(name, manifest.parent / name) for name in dict.fromkeys(names)]
