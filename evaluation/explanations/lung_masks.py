"""Where the lungs are: masks of several kinds, which must not be mixed, and boxes around each lung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .boxes import Box, check_box
from .errors import TruthError
from .grid import BoolPlane, FilmGrid

__all__ = ["BOXES", "LUNG_BOXES", "NOTED_KINDS", "UNTOLD", "Lungs", "lungs_of_boxes", "lungs_of_mask"]

NOTED_KINDS = {"incl. heart area": "with heart area", "heart excluded": "heart area excluded"}
"""What the column ``mask_note`` says of a lung mask, and how results call the kind. The area behind the heart is a
tenth of the film: with and without it "outside the lungs" is not the same question."""
UNTOLD = "kind not told"
"""Masks of which no note says the kind."""
BOXES = "boxes"
"""A rectangle around each lung: larger than the lung, so less counts as outside."""
LUNG_BOXES = ("Left Lung", "Right Lung")
"""Boxes that are anatomy; both must be there."""

_CENTRE = "covers only the centre square"
_LUNG, _IGNORE, _OTHER = 255, 127, 0


@dataclass(frozen=True, eq=False)
class Lungs:
    """Where the lungs of a film are, as far as it is known.

    Parameters
    ----------
    kind : str
        What the mask calls lung. Numbers of two kinds are never pooled.
    inside : ndarray of bool, shape [rows, columns]
        On the film's common grid.
    valid : ndarray of bool, shape [rows, columns]
        Where the mask says anything; `inside` is part of it.
    """

    kind: str
    inside: BoolPlane
    valid: BoolPlane


def lungs_of_mask(pixels: NDArray[np.uint8], note: str, grid: FilmGrid) -> Lungs:
    """Read a lung mask.

    Parameters
    ----------
    pixels : ndarray of uint8, shape [H, W]
        255 lung, 127 unknown, 0 elsewhere; covers the film.
    note : str
        The cell ``mask_note``: parts separated by semicolons; those on the lungs tell the kind (see `NOTED_KINDS`), and
        whether only the square in the middle of the film was looked at.
    grid : FilmGrid
        Of the film.

    Returns
    -------
    Lungs
        On that grid.

    Raises
    ------
    TruthError
        If values are others, there is no lung, or a lung outside the square that is said to be all.
    """
    strange = sorted(set(np.unique(pixels).tolist()) - {_LUNG, _IGNORE, _OTHER})
    if strange:
        raise TruthError(f"the lung mask has the value {strange[0]}; it may have 255 (lung), 127 (unknown) and 0")
    about = ";".join(part.strip() for part in note.split(";") if part.strip().startswith("lung"))
    kind = next((name for phrase, name in NOTED_KINDS.items() if phrase in about), UNTOLD)
    looked_at = np.ones(pixels.shape, dtype=bool)
    if _CENTRE in about:
        kind += ", centre square"
        looked_at = _centre_square(*pixels.shape)
        if ((pixels == _LUNG) & ~looked_at).any():
            raise TruthError("the lung mask has lung outside the centre square that it is said to cover")
    inside = grid.sample(pixels == _LUNG).astype(bool)
    if not inside.any():
        raise TruthError("the lung mask shows no lung")
    return Lungs(kind, inside, grid.sample(looked_at & (pixels != _IGNORE)).astype(bool))


def lungs_of_boxes(boxes: Sequence[Box], grid: FilmGrid, height: float, width: float) -> Lungs | None:
    """Read the boxes around both lungs.

    Parameters
    ----------
    boxes : sequence of Box
        All of a film.
    grid : FilmGrid
        Of the film.
    height, width : float
        Of the picture in whose pixels the boxes are.

    Returns
    -------
    Lungs or None
        On that grid; None where the film has no box for one of the lungs.

    Raises
    ------
    TruthError
        If such a box has no area or lies outside the film.
    """
    around = [box for box in boxes if box.label in LUNG_BOXES]
    if {box.label for box in around} != set(LUNG_BOXES):
        return None
    for box in around:
        check_box(box, height, width)
    return Lungs(BOXES, grid.draw(around, height, width), np.ones(grid.shape, dtype=bool))


def _centre_square(height: int, width: int) -> BoolPlane:
    side = min(height, width)
    square: BoolPlane = np.zeros((height, width), dtype=bool)
    top, left = (height - side) // 2, (width - side) // 2
    # A pixel more on each side: where the square ends was rounded.
    square[max(0, top - 1) : top + side + 1, max(0, left - 1) : left + side + 1] = True
    return square
