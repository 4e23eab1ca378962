"""The average mask: where disease lies in the training films, and so a map that never looked at the film.

A method that does not point better than this knows no more than where disease usually is (Arun et al., Radiology:
Artificial Intelligence 3(6), 2021, doi:10.1148/ryai.2021200267).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ...datasets import Film
from .evidence import Evidence
from .grid import BoolPlane, FilmGrid, FloatPlane
from .truths import Truths

__all__ = ["AVERAGE_MASK", "average_evidence", "average_mask", "average_of"]

AVERAGE_MASK = "average_mask"
"""What tables call it as a method; it has no network."""


def average_mask(masks: Iterable[tuple[FilmGrid, BoolPlane]]) -> FloatPlane:
    """Return the mean of masks of films, each film counting once.

    Parameters
    ----------
    masks : iterable of (FilmGrid, ndarray of bool)
        Masks of training films, each on its film's part of the common square; at least one.

    Returns
    -------
    ndarray of float32, shape [side, side]
        Share of the films that have disease there; the padding of a film has none.
    """
    squares = (grid.to_square(mask) for grid, mask in masks)
    total = next(squares).astype(np.float64)
    films = 1
    for square in squares:  # one after the other: there may be thousands
        total += square
        films += 1
    return np.asarray(total / films, dtype=np.float32)


def average_of(truths: Truths, films: Sequence[Film], label: str) -> tuple[FloatPlane, int] | None:
    """Return the average mask of films for a label, and how many films it is the mean of.

    Parameters
    ----------
    truths : Truths
        What is known of them.
    films : sequence of Film
        The training films; those whose disease is not marked are passed over.
    label : str
        The label.

    Returns
    -------
    tuple of (ndarray of float32 [side, side], int) or None
        None where no film has it marked.
    """
    marked = [film.file for film in films if label in truths.disease.get(film.file, {})]
    if not marked:
        return None
    return average_mask((truths.grids[file], truths.disease[file][label]) for file in marked), len(marked)


def average_evidence(average: FloatPlane, grid: FilmGrid, label: str) -> Evidence:
    """Return the average mask as a film's map, to be measured like any other."""
    return Evidence("", AVERAGE_MASK, label, grid.of_square(average))
