"""NIH ChestX-ray14 (Wang et al., CVPR 2017): ``Data_Entry_2017.csv`` or ``Data_Entry_2017_v2020.csv``."""

from __future__ import annotations

from pathlib import Path

from ...handlers.repository.checksum import sha256
from ..errors import ManifestError
from ..labels import NO_FINDING
from .row import Row, Table
from .values import age, columns, excess, listed, number, read_csv, sex

__all__ = ["NIH_COLUMNS", "NIH_LABELS", "read_nih"]

NIH_COLUMNS = ("Image Index", "Finding Labels", "Patient ID")
"""By which a file of this kind is known."""

NIH_LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
    NO_FINDING,
)
"""What the reports of the films were searched for: a label that is not in a row is absent."""

_LICENCE = "NIH terms (no restrictions on use; attribution)"


def read_nih(path: Path, images: Path | None = None) -> Table:
    """Read the entries of NIH ChestX-ray14.

    Parameters
    ----------
    path : Path
        ``Data_Entry_2017.csv`` or its version of 2020. Where ``train_val_list.txt`` and ``test_list.txt`` lie beside
        it, they decide what is tested; validation films are then taken from the first by patient.
    images : Path, optional
        Folder with the images, in it or in ``images``, ``images_001/images`` and so on below it; default: that of
        the file.

    Returns
    -------
    Table
        Its rows. A film of the official training list has the split ``train``; see
        `radiolucent.datasets.splitting.fill_validation`.

    Raises
    ------
    ManifestError
        If it cannot be read or a column is missing.
    """
    header = columns(path)
    missing = [f"line 1: column {name!r} is missing" for name in NIH_COLUMNS if name not in header]
    if missing:
        raise ManifestError(path, missing)
    where = _images(images or path.parent)
    splits = _official(path.parent)
    rows = []
    for line, cells in read_csv(path):
        file, patient = cells["Image Index"], cells["Patient ID"]
        present = listed(cells["Finding Labels"], "|")
        problems = excess(cells) + [f"{name} is empty" for name in NIH_COLUMNS if not cells[name]]
        unknown = sorted(set(present).difference(NIH_LABELS))
        if unknown:
            problems.append(f"Finding Labels has {', '.join(map(repr, unknown))}, which is none of the 14")
        if splits and file not in splits:
            problems.append("is neither in train_val_list.txt nor in test_list.txt")
        rows.append(
            Row(
                file,
                where.get(file, (images or path.parent) / file),
                line,
                {name: name in present for name in NIH_LABELS},
                patient=f"nih:{patient.zfill(5)}" if patient else "",
                split=splits.get(file, ""),
                source="NIH ChestX-ray14",
                view=cells.get("View Position", ""),
                sex=sex(cells.get("Patient Gender", "")),
                age=age(cells.get("Patient Age", "")),
                # The header says "OriginalImage[Width,Height]": two columns, cut at the comma.
                width=number(cells, "OriginalImage[Width"),
                height=number(cells, "Height]"),
                licence=_LICENCE,
                commercial_use=True,
                problems=tuple(problems),
            )
        )
    name = f"NIH ChestX-ray14/{path.name}"
    return Table(path, tuple(rows), name, NIH_LABELS, own_words=True, checksum=sha256(path))


def _images(folder: Path) -> dict[str, Path]:
    folders = [folder, folder / "images", *sorted(folder.glob("images_*")), *sorted(folder.glob("images_*/images"))]
    return {path.name: path for one in folders if one.is_dir() for path in one.iterdir() if path.is_file()}


def _official(folder: Path) -> dict[str, str]:
    lists = {"train": folder / "train_val_list.txt", "test": folder / "test_list.txt"}
    if not all(path.is_file() for path in lists.values()):
        return {}
    return {name: split for split, path in lists.items() for name in path.read_text("utf-8").split()}
