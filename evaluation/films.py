"""Films with known lesions, from a manifest."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class Film:
    """A film whose findings are known.

    Attributes
    ----------
    path
        The image.
    labels
        Its true labels.
    finding
        The most specific of them.
    split
        Which part of the data it belongs to.
    lesion_mask
        The mask of its lesions, None where there is none.
    """

    path: Path
    labels: frozenset[str]
    finding: str
    split: str
    lesion_mask: Path | None

    def lesions(self) -> NDArray[np.uint8] | None:
        """Return the lesion mask on the film's own grid, [H, W]: 0 is no lesion. None where the film has none."""
        if self.lesion_mask is None:
            return None
        with Image.open(self.lesion_mask) as image:
            mask = np.asarray(image.convert("L"), dtype=np.uint8)
        return mask if mask.any() else None

    def has_one_kind_of_lesion(self) -> bool:
        """Tell whether every lesion of the film is of its one finding, so that a map of it must point at the mask."""
        mask = self.lesions()
        return mask is not None and len(np.unique(mask[mask != 0])) == 1


def read_films(manifest: Path) -> list[Film]:
    """Read films from a manifest with the columns ``file``, ``labels``, ``finding``, ``split`` and ``mask_lesion``."""
    with manifest.open(newline="", encoding="utf-8") as file:
        return [
            Film(
                path=manifest.parent / row["file"],
                labels=frozenset(filter(None, row["labels"].split(";"))),
                finding=row["finding"],
                split=row["split"],
                lesion_mask=manifest.parent / row["mask_lesion"] if row["mask_lesion"] else None,
            )
            for row in csv.DictReader(file)
        ]
