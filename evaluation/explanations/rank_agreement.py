"""Whether quantities tell the same story: Kendall's tau between the orders that they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from .ranking import Ranked
from .result import Of, RankAgreement
from .units import Floats, Units

__all__ = ["CARDS", "FEWEST", "SCORE", "kendall", "rank_agreement"]

SCORE = "micro_f1"
"""The score of the cards by which networks are called accurate."""

CARDS = "cards"
"""Where that score is from: all test films."""

FEWEST = 3
"""Two can only be in the same order or the reverse."""

_DIGITS = 9


class _Order(NamedTuple):
    of: Of
    quantity: str
    scope: str
    names: tuple[str, ...]
    goodness: Floats


def kendall(first: Floats, second: Floats) -> Floats:
    """Return Kendall's tau-b of every row: that of `scipy.stats.kendalltau`, of thousands of resamples at once.

    Parameters
    ----------
    first, second : ndarray of float64, shape [rows, items]
        What is ordered.

    Returns
    -------
    ndarray of float64, shape [rows]
        In [-1, 1]; NaN where all items tie or a value is missing.
    """
    left, right = np.triu_indices(first.shape[1], 1)
    signs = [np.sign(np.round(values[:, left] - values[:, right], _DIGITS)) for values in (first, second)]
    with np.errstate(invalid="ignore", divide="ignore"):
        untied = np.sqrt(np.abs(signs[0]).sum(axis=1) * np.abs(signs[1]).sum(axis=1))
        return np.asarray((signs[0] * signs[1]).sum(axis=1) / untied)


def rank_agreement(units: Units, ranked: Sequence[Ranked], scores: Mapping[str, float]) -> tuple[RankAgreement, ...]:
    """Compare the orders that quantities give to the networks, and to the methods.

    Parameters
    ----------
    units : Units
        For the resampling.
    ranked : sequence of Ranked
        Estimable ones count.
    scores : mapping of str to float
        Of the networks' cards: their order is compared to that of every quantity. It does not vary over resamples.

    Returns
    -------
    tuple of RankAgreement
        Every pair that orders at least `FEWEST` of the same.
    """
    orders = [
        _Order(one.ranking.of, one.ranking.quantity, one.ranking.scope, one.names, one.goodness) for one in ranked
    ]
    if scores:
        same = np.tile(np.array(list(scores.values()), dtype=np.float64), (units.resamples + 1, 1))
        orders.insert(0, _Order("networks", SCORE, CARDS, tuple(scores), same))
    found = []
    for a, b in combinations(orders, 2):
        shared = [name for name in a.names if name in b.names]
        if a.of != b.of or len(shared) < FEWEST:
            continue
        taken = [one.goodness[:, [one.names.index(name) for name in shared]] for one in (a, b)]
        found.append(
            RankAgreement(
                of=a.of,
                first=a.quantity,
                first_scope=a.scope,
                second=b.quantity,
                second_scope=b.scope,
                compared=len(shared),
                tau=units.resampling.score(kendall(*taken)),
            )
        )
    return tuple(found)
