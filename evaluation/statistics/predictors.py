"""What is scored side by side: each network, the majority vote and the mean probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..tables import Predictions

__all__ = ["MAJORITY", "MEAN", "Predictor", "predictors_of"]

MAJORITY = "majority vote"
MEAN = "mean probability"

Kind = Literal["network", "majority", "mean"]


@dataclass(frozen=True, eq=False)
class Predictor:
    """What one predictor says of every film.

    Parameters
    ----------
    name : str
        As tables call it.
    kind : str
        A network, the majority vote or the mean of the networks' probabilities.
    scores : ndarray of float64, shape [films, labels]
        The higher, the more likely. Probabilities, but for the majority vote: there the share of networks that vote
        for the label (fifths for five networks), which ranks films and is no probability.
    called : ndarray of bool, shape [films, labels]
        The label sets. A network calls the labels that it votes for; the majority also what its labels imply.
    """

    name: str
    kind: Kind
    scores: NDArray[np.float64]
    called: NDArray[np.bool_]

    @property
    def is_probability(self) -> bool:
        """Whether the scores are probabilities, so that they can be calibrated or not."""
        return self.kind != "majority"


def predictors_of(predictions: Predictions) -> tuple[Predictor, ...]:
    """Return the networks in their order, then the majority vote and the mean probability."""
    networks = []
    for name in predictions.logits:
        probabilities = predictions.probabilities(name)
        called = probabilities >= predictions.thresholds(name)
        networks.append(Predictor(name, "network", probabilities.astype(np.float64), called))
    votes = predictions.votes()
    mean = np.stack([vote.mean for vote in votes])
    limits = np.asarray([predictions.head.mean_thresholds[fold] for fold in predictions.folds], dtype=np.float32)
    share = np.stack([vote.votes for vote in votes]) / len(networks)
    majority = np.stack([vote.majority for vote in votes])
    return (
        *networks,
        Predictor(MAJORITY, "majority", share.astype(np.float64), majority),
        Predictor(MEAN, "mean", mean.astype(np.float64), mean >= limits),
    )
