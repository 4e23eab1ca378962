"""From the networks' logits to the ensemble's answer.

Majority voting is what arXiv:2006.02570 says the ensemble does; the mean of the probabilities is what its code
does. Both are returned, each under its own name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .calibration import Calibration
from .label import Label

__all__ = ["Vote", "probabilities", "served_probabilities", "vote"]


@dataclass(frozen=True, eq=False)
class Vote:
    """What the networks say together about one image.

    Parameters
    ----------
    votes : ndarray of int32, shape [labels]
        How many networks reach their own threshold for the label.
    majority : ndarray of bool, shape [labels]
        Labels with the votes of more than half of the networks, and every label that these imply.
    mean : ndarray of float32, shape [labels]
        Mean of the networks' probabilities.
    """

    votes: NDArray[np.int32]
    majority: NDArray[np.bool_]
    mean: NDArray[np.float32]


def probabilities(logits: ArrayLike) -> NDArray[np.float32]:
    """Logistic sigmoid that neither overflows nor warns, whatever the logits.

    Parameters
    ----------
    logits : array-like
        Any shape.

    Returns
    -------
    ndarray of float32
        Values in [0, 1], of the same shape.
    """
    z = np.asarray(logits, dtype=np.float32)
    result: NDArray[np.float32] = np.exp(-np.logaddexp(np.float32(0), -z)).astype(np.float32, copy=False)
    return result


def served_probabilities(logits: ArrayLike, calibration: Calibration | None) -> NDArray[np.float32]:
    """Turn a network's logits into the probabilities that are served, voted on and averaged: the one place that does.

    Parameters
    ----------
    logits : array-like, shape [..., labels]
        Of one network.
    calibration : Calibration, optional
        Of its card; None: the plain sigmoid.

    Returns
    -------
    ndarray of float32
        Values in [0, 1], of the same shape.
    """
    return probabilities(logits if calibration is None else calibration.apply(logits))


def vote(probabilities: ArrayLike, thresholds: ArrayLike, labels: Sequence[Label] = ()) -> Vote:
    """Let the networks vote.

    Parameters
    ----------
    probabilities : array-like of float, shape [networks, labels]
        In [0, 1].
    thresholds : array-like of float, shape [networks, labels]
        A network votes for a label from its threshold on.
    labels : sequence of Label, optional
        The labels, for their hierarchy: what a majority label implies is in the majority too.

    Returns
    -------
    Vote
        The answer of the ensemble.
    """
    scores = np.asarray(probabilities, dtype=np.float32)
    limits = np.asarray(thresholds, dtype=np.float32)
    if scores.ndim != 2 or scores.shape != limits.shape or scores.shape[0] == 0:
        raise ValueError(f"need [networks, labels] twice, got {scores.shape} and {limits.shape}")
    if labels and len(labels) != scores.shape[1]:
        raise ValueError(f"got {scores.shape[1]} probabilities for {len(labels)} labels")
    votes = (scores >= limits).sum(axis=0, dtype=np.int32)
    majority = 2 * votes > scores.shape[0]
    index = {label.name: i for i, label in enumerate(labels)}
    for i in np.flatnonzero(majority) if labels else ():
        parent = labels[i].implies
        while parent is not None and not majority[index[parent]]:
            majority[index[parent]] = True
            parent = labels[index[parent]].implies
    return Vote(votes, majority, scores.mean(axis=0, dtype=np.float32))
