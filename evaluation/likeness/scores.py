"""What the guard said of each picture, as a stored table: every number comes from it, no pixel is in it."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import EvaluationError

__all__ = ["FILM", "GuardScores", "read_scores", "write_scores"]

FILM = "film"
"""The kind of the unchanged films."""

_COLUMNS = ("kind", "file", "group", "source", "unlikeness")


@dataclass(frozen=True, eq=False)
class GuardScores:
    """Unlikeness of films and of strangers.

    Parameters
    ----------
    threshold : float
        Above it the guard warns.
    kinds : sequence of str
        What each picture is: `FILM`, what was done to a film, or a kind of stranger.
    files, groups, sources : sequence of str
        Which picture, its patient (of a stranger: itself) and its main source (of a stranger: empty).
    unlikeness : ndarray of float64, shape [pictures]
        As the guard says.
    """

    threshold: float
    kinds: Sequence[str]
    files: Sequence[str]
    groups: Sequence[str]
    sources: Sequence[str]
    unlikeness: NDArray[np.float64]


def write_scores(scores: GuardScores, path: Path) -> None:
    """Write the table as CSV; its first row is the threshold."""
    temporary = path.with_name(f".{path.name}")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerow(("threshold", "", "", "", f"{scores.threshold:g}"))
        rows = zip(scores.kinds, scores.files, scores.groups, scores.sources, scores.unlikeness, strict=True)
        writer.writerows((*names, f"{value:g}") for *names, value in rows)
    os.replace(temporary, path)


def read_scores(path: Path) -> GuardScores:
    """Read the table again.

    Raises
    ------
    EvaluationError
        If it is another table or cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header, first, *rows = reader
        if tuple(header) != _COLUMNS or first[0] != "threshold":
            raise ValueError("other columns")
        values = np.array([float(row[4]) for row in rows])
        threshold = float(first[4])
    except (OSError, ValueError, IndexError) as error:
        raise EvaluationError(f"{path}: is not a table of a guard's scores: {error}") from error
    kinds, files, groups, sources = (tuple(row[i] for row in rows) for i in range(4))
    return GuardScores(threshold, kinds, files, groups, sources, values)
