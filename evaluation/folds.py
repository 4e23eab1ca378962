"""One training and the films that it left out: what is fitted on, and what is tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..datasets import SPLITS, DataSet, Film

__all__ = ["ONE_SPLIT", "Fold", "fold_of", "one_fold"]

ONE_SPLIT = "split"
"""What the fold of one training alone is called."""


@dataclass(frozen=True)
class Fold:
    """Films of one training.

    Parameters
    ----------
    name : str
        As in `Predictions.folds`.
    train : tuple of Film
        What networks and baselines are fitted on.
    tested : tuple of Film
        What they are scored on.
    validation : tuple of Film
        What thresholds are chosen on.
    """

    name: str
    train: tuple[Film, ...]
    tested: tuple[Film, ...]
    validation: tuple[Film, ...] = ()


def fold_of(name: str, films: Sequence[Film]) -> Fold:
    """Sort films into a fold by the split that they carry."""
    by_split = {split: tuple(film for film in films if film.split == split) for split in SPLITS}
    return Fold(name, by_split["train"], by_split["test"], by_split["val"])


def one_fold(data_set: DataSet) -> Fold:
    """Return the fold of a data set's own splits."""
    return fold_of(ONE_SPLIT, data_set.films)
