"""Whether the served ensemble answers as the networks did offline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from .errors import EvaluationError
from .statistics.score import DIGITS
from .tables import Predictions

__all__ = ["TOLERANCE", "Agreement", "ServedAnswers", "agree"]

TOLERANCE = 1e-3
"""Largest difference of probabilities that is let pass."""


@dataclass(frozen=True, eq=False)
class ServedAnswers:
    """What the served ensemble said of films.

    Parameters
    ----------
    files : tuple of str
        The films, as the manifest names them.
    probabilities : mapping of str to ndarray of float32, shape [films, labels]
        By network.
    votes : ndarray of int32, shape [films, labels]
        How many networks vote for the label.
    majority : ndarray of bool, shape [films, labels]
        The ensemble's label sets.
    """

    files: tuple[str, ...]
    probabilities: Mapping[str, NDArray[np.float32]]
    votes: NDArray[np.int32]
    majority: NDArray[np.bool_]


class Agreement(BaseModel):
    """How far two ways of asking the same networks differ."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    films: int
    """Films that were asked both ways."""
    tolerance: float = TOLERANCE
    """Largest difference that is let pass."""
    probabilities: dict[str, float]
    """Largest absolute difference of probabilities, by network."""
    votes_differ: int
    """Film-label pairs with another number of votes."""
    majorities_differ: int
    """Film-label pairs with another majority. A vote may differ within the tolerance, at a threshold."""

    @property
    def holds(self) -> bool:
        """Whether they agree: no probability differs by more than the tolerance."""
        return max(self.probabilities.values()) <= self.tolerance


def agree(offline: Predictions, served: ServedAnswers, tolerance: float = TOLERANCE) -> Agreement:
    """Compare offline predictions with the served ensemble's answers, film by film.

    Parameters
    ----------
    offline : Predictions
        Of one training: the one that is served.
    served : ServedAnswers
        Of the same films, in any order.
    tolerance : float
        Largest difference of probabilities that is let pass.

    Returns
    -------
    Agreement
        The differences.

    Raises
    ------
    EvaluationError
        If films or networks are not the same.
    """
    files = [film.file for film in offline.films]
    if sorted(files) != sorted(served.files) or set(offline.logits) != set(served.probabilities):
        raise EvaluationError("the served ensemble answered for other films or networks than were asked offline")
    place = {file: row for row, file in enumerate(served.files)}
    rows = [place[file] for file in files]
    votes = offline.votes()
    return Agreement(
        films=len(files),
        tolerance=tolerance,
        probabilities={
            name: round(float(np.abs(offline.probabilities(name) - served.probabilities[name][rows]).max()), DIGITS)
            for name in offline.logits
        },
        votes_differ=int((np.stack([vote.votes for vote in votes]) != served.votes[rows]).sum()),
        majorities_differ=int((np.stack([vote.majority for vote in votes]) != served.majority[rows]).sum()),
    )
