"""A folder for each class: the folder's name is the film's one label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .row import Row, Table

__all__ = ["IMAGE_SUFFIXES", "classes_below", "read_class_folders"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")
"""Files that count as images, in any case; everything else below the folder is passed over."""

_SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}

_NO_PATIENTS = (
    "folders of classes tell no patients: films of one patient may be in two splits, and every score and "
    "interval may be too good; a manifest with patient_id mends that"
)


def read_class_folders(path: Path) -> Table:
    """Read a folder for each class, optionally below folders ``train``, ``val`` and ``test``.

    Classes exclude each other. No patient is told: each film is a group of its own, so that films of one patient may
    end in two splits.

    Parameters
    ----------
    path : Path
        Holds the folders.

    Returns
    -------
    Table
        A row for each image, by name.
    """
    found = [one for one in classes_below(path) if one[-1].suffix.lower() in IMAGE_SUFFIXES]
    classes = sorted({name for name, _, _ in found})
    rows = [
        Row(
            file.relative_to(path).as_posix(),
            file,
            0,
            {one: one == name for one in classes},
            group=file.relative_to(path).as_posix(),
            split=split,
        )
        for name, split, file in found
    ]
    return Table(path, tuple(rows), path.resolve().name, warnings=(_NO_PATIENTS,))


def classes_below(path: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield class, split (or nothing) and path of each file below the folders of classes, by name."""
    folders = [folder for folder in sorted(path.iterdir()) if folder.is_dir() and not folder.name.startswith(".")]
    split = bool(folders) and all(folder.name.lower() in _SPLIT_FOLDERS for folder in folders)
    for folder in folders:
        inside = sorted(one for one in folder.iterdir() if one.is_dir()) if split else [folder]
        for one in inside:
            for file in sorted(one.rglob("*")):
                if file.is_file():
                    yield one.name, _SPLIT_FOLDERS[folder.name.lower()] if split else "", file
