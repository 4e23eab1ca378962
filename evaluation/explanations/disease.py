"""Which boxes and lesions mean disease, and on which films."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...datasets import NO_FINDING, Film
from .boxes import Box, check_box
from .errors import TruthError
from .frame import Frame
from .grid import BoolPlane
from .lung_masks import LUNG_BOXES

__all__ = ["DISEASE_BOXES", "disease_of_boxes", "disease_of_mask"]

DISEASE_BOXES: Mapping[str, str] = {"Lung Opacity": "Pneumonia", "Pneumonia": "Pneumonia"}
"""Boxes that mean disease, and the label that each is evidence for. Radiologists drew a Lung Opacity (RSNA 2018) where
they saw what may be pneumonia. Boxes of lungs are anatomy; those of other findings are no evidence for these labels."""


def disease_of_boxes(
    film: Film, boxes: Sequence[Box], meaning: Mapping[str, str], frame: Frame, unused: Counter[str]
) -> dict[str, BoolPlane]:
    """Return where the disease of a film lies, by label.

    Parameters
    ----------
    film : Film
        With what is known of its labels.
    boxes : sequence of Box
        All of the film.
    meaning : mapping of str to str
        See `DISEASE_BOXES`.
    frame : Frame
        In whose pixels the boxes are.
    unused : Counter
        Is told, by reason, of films whose boxes are not used.

    Returns
    -------
    dict of str to ndarray of bool, shape [rows, columns]
        On the film's grid.

    Raises
    ------
    TruthError
        If one of the boxes cannot be used: without it the others would be half a truth.
    """
    others = {box.label for box in boxes} - set(meaning) - set(LUNG_BOXES)
    unused.update(f"boxes {name!r} mean no disease of the labels asked for, and are not used" for name in others)
    found: dict[str, list[Box]] = {}
    for box in boxes:
        if box.label in meaning:
            found.setdefault(meaning[box.label], []).append(box)
    disease = {}
    for label, marked in found.items():
        if not _has(film, label, "boxes", unused):
            continue
        for box in marked:
            check_box(box, frame.height, frame.width)
        disease[label] = _not_empty(frame.grid.draw(marked, frame.height, frame.width), label)
    return disease


def disease_of_mask(
    film: Film, mask: NDArray[np.uint8], meaning: Mapping[int, str], frame: Frame, unused: Counter[str]
) -> dict[str, BoolPlane]:
    """Return the same from a lesion mask, uint8 ``[H, W]``; `meaning` says which label each of its values speaks for.

    Raises
    ------
    TruthError
        If a lesion is too small for the grid.
    """
    disease = {}
    for label in dict.fromkeys(meaning.values()):
        lesion = np.isin(mask, [value for value, of in meaning.items() if of == label])
        if lesion.any() and _has(film, label, "lesions", unused):
            disease[label] = _not_empty(frame.grid.sample(lesion).astype(bool), label)
    return disease


def _has(film: Film, label: str, marks: str, unused: Counter[str]) -> bool:
    if film.known.get(NO_FINDING):
        unused[f"{marks} for {label} on films labelled {NO_FINDING} are not used"] += 1
        return False
    if not film.known.get(label):
        unused[f"{marks} for {label} on films without that label are not used"] += 1
        return False
    return True


def _not_empty(mask: BoolPlane, label: str) -> BoolPlane:
    if not mask.any():
        raise TruthError(f"what is marked for {label} is smaller than a cell of the grid")
    return mask
