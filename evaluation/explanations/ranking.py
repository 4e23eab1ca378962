"""Ranks within one quantity, on the same films for all who are compared, and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...plugins.measures import Better
from .result import Of, Place, Ranking
from .scopes import Scope
from .tables import Quantity
from .units import MINIMUM_PATIENTS, Bools, Floats, Units

__all__ = ["UNRANKED", "Ranked", "can_rank", "rank"]

UNRANKED = ("randomisation", "cost")
"""Families that are reported and never ranked: a method is no better for depending more on the weights than another,
and no better explanation for being cheap."""

ENOUGH = 0.5
"""Who has fewer than this share of the values of the fullest is left out, so that it does not take all films along."""

_DIGITS = 9
"""Means that are the same to so many decimals tie: sums differ in the last bits by their order."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """A ranking, and the means behind it under every resample.

    Parameters
    ----------
    ranking : Ranking
        What is told.
    names : tuple of str
        Who is compared, in the order of the columns.
    goodness : ndarray of float64, shape [resamples + 1, names]
        Means, turned so that larger is better.
    """

    ranking: Ranking
    names: tuple[str, ...]
    goodness: Floats


def can_rank(quantity: Quantity) -> bool:
    """Tell whether anything is ranked by a quantity."""
    return quantity.better is not Better.NEITHER and quantity.family not in UNRANKED


def rank(units: Units, quantity: Quantity, scope: Scope, of: Of) -> Ranked | None:
    """Rank networks or methods.

    Networks are compared on the cells (a film's label, a method) in which every one of them has a value, methods on
    the cells (a film's label, a network) in which every method has one; each cell counts once.

    Parameters
    ----------
    units : Units
        What was measured.
    quantity : Quantity
        One that `can_rank`.
    scope : Scope
        Over which films.
    of : str
        ``networks`` or ``methods``.

    Returns
    -------
    Ranked or None
        None: fewer than two have any value.
    """
    values, names = units.values(quantity.name), units.networks
    counts = np.broadcast_to(scope.counts[:, :, None], values.shape)
    if of == "methods":
        values, counts, names = values.transpose(0, 2, 1), counts.transpose(0, 2, 1), units.methods
    kept, left_out = _enough(np.isfinite(values), names)
    if len(kept) < 2:
        return None
    values, names = values[:, kept], tuple(names[place] for place in kept)
    # Counts are those of the networks, so a film that one network does not call leaves their comparison.
    inside = counts[:, kept].all(axis=1)
    there = np.isfinite(values)
    whole = there.all(axis=1) & inside
    side = units.side(whole.any(axis=1))
    means = _means(units, values, whole)
    goodness = means if quantity.better is Better.HIGHER else -means
    ranking = Ranking(
        quantity=quantity.name,
        scope=scope.name,
        of=of,
        films=side.films,
        patients=side.patients,
        cells=int(whole.sum()),
        cells_lost=int((there.any(axis=1) & inside & ~whole).sum()),
        left_out=left_out,
        places=_places(units, names, means, goodness) if side.patients >= MINIMUM_PATIENTS else (),
    )
    return Ranked(ranking, names, goodness)


def _enough(there: Bools, names: Sequence[str]) -> tuple[list[int], dict[str, str]]:
    counts = there.sum(axis=(0, 2))
    kept = [place for place, count in enumerate(counts) if count > 0 and count >= ENOUGH * counts.max()]
    reasons = {
        name: f"{int(counts[place])} values, where others have up to {int(counts.max())}"
        for place, name in enumerate(names)
        if place not in kept
    }
    return kept, reasons


def _means(units: Units, values: Floats, whole: Bools) -> Floats:
    """Return the mean over whole cells, [resamples + 1, names] of [units, names, others] and [units, others]."""
    sums = np.where(whole[:, None, :], values, 0.0).sum(axis=2)
    cells = whole.sum(axis=1).astype(np.float64)

    def mean(weights: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((weights @ sums) / (weights @ cells)[:, None])

    return units.resampling.weigh(mean)


def _places(units: Units, names: Sequence[str], means: Floats, goodness: Floats) -> tuple[Place, ...]:
    from scipy.stats import rankdata

    defined = np.isfinite(goodness).all(axis=1)
    ranks = rankdata(-np.round(goodness[defined], _DIGITS), method="average", axis=1)
    own, drawn = ranks[0], ranks[1:]
    low = np.percentile(drawn, 2.5, axis=0, method="lower")
    high = np.percentile(drawn, 97.5, axis=0, method="higher")
    best = drawn == drawn.min(axis=1, keepdims=True)
    places = [
        Place(
            name=name,
            mean=units.resampling.score(means[:, place]),
            rank=float(own[place]),
            low=float(low[place]),
            high=float(high[place]),
            keeps=round(float((drawn[:, place] == own[place]).mean()), 6),
            first=round(float(best[:, place].mean()), 6),
        )
        for place, name in enumerate(names)
    ]
    return tuple(sorted(places, key=lambda place: (place.rank, names.index(place.name))))
