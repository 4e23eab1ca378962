"""Ranks within one quantity, on the same films for all who are compared, and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...plugins.measures import Better
from ..comparing import Side
from .result import Of, Place, Ranking
from .scopes import Scope
from .tables import Quantity
from .units import MINIMUM_PATIENTS, Bools, Floats, Units

__all__ = ["ENOUGH", "UNRANKED", "Compared", "Ranked", "can_rank", "compare", "rank"]

UNRANKED = ("randomisation", "cost", "precision")
"""Families that are reported and never ranked: a method is no better for depending more on the weights than another,
and no better explanation for being cheap, or for surviving an arithmetic that nobody has to choose."""

ENOUGH = 0.5
"""Who has fewer than this share of the values of the fullest is left out, so that it does not take all films along."""

_DIGITS = 9
"""Means that are the same to so many decimals tie: sums differ in the last bits by their order."""


@dataclass(frozen=True, eq=False)
class Compared:
    """Means of networks, or of methods, over the cells in which every one of them has a value.

    A cell is a film's label with a method (of networks), or with a network (of methods); each counts once.

    Parameters
    ----------
    names : tuple of str
        Who is compared.
    means : ndarray of float64, shape [resamples + 1, names]
        Under every resample.
    side : Side
        Films and patients of the cells.
    cells, lost : int
        Whole ones, and those that left because one lacks its value.
    left_out : dict of str to str
        Who is not compared, and why.
    """

    names: tuple[str, ...]
    means: Floats
    side: Side
    cells: int
    lost: int
    left_out: dict[str, str]

    @property
    def estimable(self) -> bool:
        """Whether there are enough patients."""
        return self.side.patients >= MINIMUM_PATIENTS


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


def compare(units: Units, quantity: Quantity, scope: Scope, of: Of) -> Compared | None:
    """Put networks, or methods, on the same cells.

    Parameters
    ----------
    units : Units
        What was measured.
    quantity : Quantity
        By which number.
    scope : Scope
        Over which films.
    of : str
        ``networks`` or ``methods``.

    Returns
    -------
    Compared or None
        None: fewer than two have any value.
    """
    values, names = units.values(quantity.name), units.networks
    counts = np.broadcast_to(scope.counts[:, :, None], values.shape)
    if of == "methods":
        values, counts, names = values.transpose(0, 2, 1), counts.transpose(0, 2, 1), units.methods
    kept, left_out = _enough(np.isfinite(values) & counts, names)
    if len(kept) < 2:
        return None
    values = values[:, kept]
    # Counts are those of the networks: a film that one of them does not call leaves their comparison.
    inside = counts[:, kept].all(axis=1)
    there = np.isfinite(values)
    whole = there.all(axis=1) & inside
    return Compared(
        names=tuple(names[place] for place in kept),
        means=_means(units, values, whole),
        side=units.side(whole.any(axis=1)),
        cells=int(whole.sum()),
        lost=int((there.any(axis=1) & inside & ~whole).sum()),
        left_out=left_out,
    )


def rank(units: Units, quantity: Quantity, scope: Scope, of: Of) -> Ranked | None:
    """Rank networks or methods by a quantity that `can_rank`; parameters and None as of `compare`."""
    found = compare(units, quantity, scope, of)
    if found is None:
        return None
    goodness = found.means if quantity.better is Better.HIGHER else -found.means
    ranking = Ranking(
        quantity=quantity.name,
        scope=scope.name,
        of=of,
        films=found.side.films,
        patients=found.side.patients,
        cells=found.cells,
        cells_lost=found.lost,
        left_out=found.left_out,
        places=_places(units, found.names, found.means, goodness) if found.estimable else (),
    )
    return Ranked(ranking, found.names, goodness)


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
