"""Which films of a manifest come with what maps can be compared to: boxes of disease, masks of the lungs."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Marks", "read_marks"]

_DISEASE = ("Lung Opacity", "Pneumonia")


@dataclass(frozen=True)
class Marks:
    """Films by what they come with.

    Parameters
    ----------
    boxed : frozenset of str
        Files with a box that means disease.
    lungs : frozenset of str
        Files with a mask of the lungs.
    """

    boxed: frozenset[str] = frozenset()
    lungs: frozenset[str] = frozenset()


def read_marks(manifest: Path) -> Marks:
    """Read the columns ``bbox`` and ``mask_lung`` of a manifest; one without them, or another kind, has no marks.

    Here they only guide which films are drawn. What a box holds is checked where maps are compared to it.
    """
    if not manifest.is_file():
        return Marks()
    boxed, lungs = set(), set()
    with manifest.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            name = row.get("file") or ""
            if _means_disease(row.get("bbox") or ""):
                boxed.add(name)
            if row.get("mask_lung"):
                lungs.add(name)
    return Marks(frozenset(boxed), frozenset(lungs))


def _means_disease(cell: str) -> bool:
    try:
        boxes = json.loads(cell or "[]")
    except ValueError:
        return False
    return isinstance(boxes, list) and any(isinstance(box, dict) and box.get("label") in _DISEASE for box in boxes)
