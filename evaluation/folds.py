"""One training and the films that it left out: what is fitted on, and what is tested."""

from __future__ import annotations

from dataclasses import dataclass

from ..datasets import DataSet, Film

__all__ = ["ONE_SPLIT", "Fold", "one_fold"]

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
    """

    name: str
    train: tuple[Film, ...]
    tested: tuple[Film, ...]


def one_fold(data_set: DataSet) -> Fold:
    """Return the fold of a data set's own training and test splits."""
    return Fold(ONE_SPLIT, data_set.of("train"), data_set.of("test"))
