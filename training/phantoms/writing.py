"""Write phantoms to disk in the layout of a data set of X-rays: images, masks and a manifest."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from .phantom import draw_phantom

__all__ = ["MANIFEST_COLUMNS", "write_phantoms"]

MANIFEST_COLUMNS = (
    "file",
    "patient_id",
    "group_id",
    "labels",
    "finding",
    "source",
    "mask_lung",
    "mask_lesion",
    "split",
    "label_check",
    "width",
    "height",
    "scale",
)


def write_phantoms(folder: Path, count: int, seed: int) -> Iterator[Path]:
    """Write phantoms one by one; the same seed and count always give the same files.

    Parameters
    ----------
    folder : Path
        Gets ``images/``, ``masks/`` and, when all films are written, ``manifest.csv``.
    count : int
        How many; of every ten, seven are for training, one for validation, two for testing.
    seed : int
        Of the series.

    Yields
    ------
    Path
        Each image, as it is written. In its lesion mask 0 is no lesion, 80 speckle ("Viral Pneumonia"), 120 rings
        ("COVID-19") and 160 stripes ("Bacterial Pneumonia"); in its lung mask 255 is lung.
    """
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows = []
    for index in range(count):
        phantom = draw_phantom(seed, index)
        stem = f"phantom_{index:05d}"
        image, lesions, lungs = f"images/{stem}.png", f"masks/{stem}_lesion.png", f"masks/{stem}_lung.png"
        Image.fromarray(phantom.pixels).save(folder / image)
        Image.fromarray(phantom.lesions).save(folder / lesions)
        Image.fromarray(phantom.lungs.astype(np.uint8) * np.uint8(255)).save(folder / lungs)
        height, width = phantom.pixels.shape
        split = "test" if index % 10 >= 8 else "val" if index % 10 == 7 else "train"
        labels = ";".join(phantom.labels)
        rows.append(
            (image, stem, stem, labels, phantom.labels[0], "phantom", lungs, lesions, split, "", width, height, 1)
        )
        yield folder / image
    temporary = folder / ".manifest.csv"
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(MANIFEST_COLUMNS)
        writer.writerows(rows)
    temporary.replace(folder / "manifest.csv")
