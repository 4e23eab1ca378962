"""From a guard's scores to how well it tells strangers from films, with intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from ...handlers.card import DataRecord
from ..statistics.binary import auroc
from ..statistics.resampling import GroupBootstrap
from ..statistics.score import Score, scored
from .result import FalseAlarms, GuardResult, StrangerKind
from .scores import FILM, GuardScores

__all__ = ["score_guard"]

Floats = NDArray[np.float64]

_CAUGHT = 0.95


def score_guard(scores: GuardScores, data: DataRecord, *, resamples: int = 2000, seed: int = 0) -> GuardResult:
    """Compute false alarms, AUROC and the false positive rate at 95 % true positives.

    Intervals are percentiles of a bootstrap over patients; a film and what was made of it are drawn together. A share
    of none or of all has the Wilson interval of as many independent patients, since a bootstrap would give none.

    Parameters
    ----------
    scores : GuardScores
        What the guard said.
    data : DataRecord
        Where the films come from.
    resamples, seed : int
        Of the bootstrap.
    """
    kinds, sources = np.asarray(scores.kinds, dtype=str), np.asarray(scores.sources, dtype=str)
    film = kinds == FILM
    names = ["", *sorted(set(sources[film]))]
    return GuardResult(
        data=data,
        threshold=scores.threshold,
        alarms=tuple(_alarms(scores, film, name, resamples, seed) for name in names),
        kinds=tuple(
            _stranger(scores, kind, film, kinds == kind, resamples, seed)
            for kind in dict.fromkeys(scores.kinds)
            if kind != FILM
        ),
        resamples=resamples,
        seed=seed,
    )


def _alarms(scores: GuardScores, film: NDArray[np.bool_], source: str, resamples: int, seed: int) -> FalseAlarms:
    groups, unlikeness = np.asarray(scores.groups, dtype=str)[film], scores.unlikeness[film]
    here = np.asarray(scores.sources, dtype=str)[film] == source if source else np.ones(len(groups), dtype=bool)
    warned = unlikeness[here] > scores.threshold
    told = None
    if not here.all():
        drawn = GroupBootstrap(groups.tolist(), resamples, seed)
        told = drawn.score(drawn.weigh(lambda weights: auroc(weights, here, unlikeness)))
    return FalseAlarms(
        source=source,
        films=len(warned),
        patients=len(set(groups[here])),
        warned=int(warned.sum()),
        rate=_share(warned, groups[here], resamples, seed),
        auroc=told,
    )


def _stranger(
    scores: GuardScores,
    kind: str,
    film: NDArray[np.bool_],
    strange: NDArray[np.bool_],
    resamples: int,
    seed: int,
) -> StrangerKind:
    rows = film | strange
    groups, unlikeness, is_strange = np.asarray(scores.groups, dtype=str)[rows], scores.unlikeness[rows], strange[rows]
    drawn = GroupBootstrap(groups.tolist(), resamples, seed)
    return StrangerKind(
        kind=kind,
        pictures=int(strange.sum()),
        auroc=drawn.score(drawn.weigh(lambda weights: auroc(weights, is_strange, unlikeness))),
        false_positives=drawn.score(drawn.weigh(lambda weights: _false_positives(weights, is_strange, unlikeness))),
        warned=_share(unlikeness[is_strange] > scores.threshold, groups[is_strange], resamples, seed),
    )


def _share(hit: NDArray[np.bool_], groups: NDArray[np.str_], resamples: int, seed: int) -> Score:
    if hit.all() or not hit.any():
        patients = len(set(groups))
        wilson = binomtest(patients if hit.any() else 0, patients).proportion_ci(method="wilson")
        return scored(float(hit.mean()), wilson.low, wilson.high)
    drawn = GroupBootstrap(groups.tolist(), resamples, seed)
    return drawn.score(drawn.weigh(lambda weights: (weights * hit).sum(axis=1) / weights.sum(axis=1)))


def _false_positives(weights: Floats, strange: NDArray[np.bool_], unlikeness: Floats) -> Floats:
    """Return the share of films at or above the highest threshold that catches 95 % of strangers, ``[K]``."""
    order = np.argsort(-unlikeness[strange], kind="stable")
    highest_first = unlikeness[strange][order]
    caught = np.cumsum(weights[:, strange][:, order], axis=1)
    total = caught[:, -1:]
    # A hair less, for sums of floats.
    at = np.argmax(caught >= (_CAUGHT - 1e-9) * total, axis=1)
    films = weights[:, ~strange]
    above = (films * (unlikeness[~strange] >= highest_first[at][:, np.newaxis])).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where((total[:, 0] > 0) & (films.sum(axis=1) > 0), above / films.sum(axis=1), np.nan)
