"""Whether the served ensemble answers as the networks did offline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from .errors import EvaluationError
from .folds import ONE_SPLIT
from .statistics.predictors import MEAN
from .statistics.score import DIGITS
from .tables import Predictions, PredictionsHead

__all__ = ["TOLERANCE", "Agreement", "ServedAnswers", "agree"]

TOLERANCE = 1e-3
"""Largest difference of probabilities that is let pass."""
_SAME_THRESHOLD = 1e-6


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
    mean : ndarray of float32, shape [films, labels]
        Mean probability.
    head : PredictionsHead
        Labels and thresholds, as the served cards have them.
    """

    files: tuple[str, ...]
    probabilities: Mapping[str, NDArray[np.float32]]
    votes: NDArray[np.int32]
    majority: NDArray[np.bool_]
    mean: NDArray[np.float32]
    head: PredictionsHead


class Agreement(BaseModel):
    """How far two ways of asking the same networks differ."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    films: int
    """Films that were asked both ways."""
    tolerance: float = TOLERANCE
    """Largest difference that is let pass."""
    probabilities: dict[str, float]
    """Largest absolute difference of probabilities, by network, and of their mean."""
    votes_differ: int
    """Film-label pairs with another number of votes."""
    majorities_differ: int
    """Film-label pairs with another majority."""
    unexplained: int = 0
    """Film-label pairs with other votes or another majority, of films of which no probability is within the tolerance
    of its threshold: there a small difference cannot be why."""
    thresholds_differ: int = 0
    """Thresholds, of networks and of the mean, that the served cards have otherwise."""

    @property
    def holds(self) -> bool:
        """Whether they agree: on probabilities within the tolerance, on votes as that explains, on thresholds."""
        close = all(value <= self.tolerance for value in self.probabilities.values())
        return close and not self.unexplained and not self.thresholds_differ


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
        If films, networks or labels are not the same.
    """
    files = [film.file for film in offline.films]
    if sorted(files) != sorted(served.files) or set(offline.logits) != set(served.probabilities):
        raise EvaluationError("the served ensemble answered for other films or networks than were asked offline")
    if _question(offline.head) != _question(served.head):
        raise EvaluationError("the served ensemble has other labels than the networks that were asked offline")
    place = {file: row for row, file in enumerate(served.files)}
    rows = [place[file] for file in files]
    votes = offline.votes()
    own = {name: offline.probabilities(name) for name in offline.logits}
    pairs = [(name, own[name], served.probabilities[name]) for name in own]
    pairs.append((MEAN, np.stack([vote.mean for vote in votes]), served.mean))
    near = [np.abs(own[name] - offline.thresholds(name)) <= tolerance for name in own]
    other_votes = np.stack([vote.votes for vote in votes]) != served.votes[rows]
    other_majority = np.stack([vote.majority for vote in votes]) != served.majority[rows]
    # What one label has decides the majority of what it implies: so any label of the film will do.
    explained = np.any(near, axis=(0, 2))[:, None]
    return Agreement(
        films=len(files),
        tolerance=tolerance,
        probabilities={name: round(float(np.abs(a - b[rows]).max()), DIGITS) for name, a, b in pairs},
        votes_differ=int(other_votes.sum()),
        majorities_differ=int(other_majority.sum()),
        unexplained=int(((other_votes | other_majority) & ~explained).sum()),
        thresholds_differ=_thresholds_differ(offline.head, served.head),
    )


def _question(head: PredictionsHead) -> list[tuple[str, str | None]]:
    return [(label.name, label.implies) for label in head.labels]


def _thresholds_differ(offline: PredictionsHead, served: PredictionsHead) -> int:
    pairs = [
        (decision.thresholds, served.decisions[ONE_SPLIT][name].thresholds)
        for name, decision in offline.decisions[ONE_SPLIT].items()
    ]
    pairs.append((offline.mean_thresholds[ONE_SPLIT], served.mean_thresholds[ONE_SPLIT]))
    return sum(int((np.abs(np.subtract(a, b)) > _SAME_THRESHOLD).sum()) for a, b in pairs)
