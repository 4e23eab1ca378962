"""How alike maps of one film are, and whether they are less so where the answer is wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from ..statistics.score import Score
from .result import Agreeing, MethodsBeingWrong, Of
from .tables import Agreed
from .units import MINIMUM_PATIENTS, Bools, Floats, Units

__all__ = ["agreeing", "methods_being_wrong"]

_BETWEEN: tuple[Of, ...] = ("networks", "methods")


def agreeing(units: Units) -> tuple[Agreeing, ...]:
    """Return the mean likeness of every pair of networks (over methods) and of methods (over networks).

    Likeness has no direction: a pair is one, whichever of the two its rows name first.
    """
    found = []
    for between, quantity, rows in _tables(units):
        pairs: dict[frozenset[str], list[Agreed]] = defaultdict(list)
        for row in rows:
            pairs[frozenset((row.first, row.second))].append(row)
        for first, second in combinations(units.networks if between == "networks" else units.methods, 2):
            if not (own := pairs.get(frozenset((first, second)))):
                continue
            values = _of_units(units, own)
            side = units.side(np.isfinite(values))
            found.append(
                Agreeing(
                    between=between,
                    first=first,
                    second=second,
                    quantity=quantity,
                    films=side.films,
                    patients=side.patients,
                    score=_score(units, units.means(values), side.patients),
                )
            )
    return tuple(found)


def methods_being_wrong(units: Units) -> tuple[MethodsBeingWrong, ...]:
    """Compare how alike the methods' maps of a network are where it says a label with where it misses it."""
    said = units.called()
    found = []
    for between, quantity, rows in _tables(units):
        for place, network in enumerate(units.networks):
            own = [row for row in rows if row.of == network]
            if between == "methods" and own:
                found.append(_compared(units, network, quantity, _of_units(units, own), said[:, place]))
    return tuple(found)


def _tables(units: Units) -> Iterable[tuple[Of, str, list[Agreed]]]:
    for between in _BETWEEN:
        own = [row for row in units.tables.agreed if row.between == between]
        for quantity in dict.fromkeys(row.quantity for row in own):
            yield between, quantity, [row for row in own if row.quantity == quantity]


def _of_units(units: Units, rows: Sequence[Agreed]) -> Floats:
    """Return the mean of the rows of each unit, [units]; NaN where there is none."""
    of_key: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        of_key[row.file, row.label].append(row.value)
    return np.array([np.mean(of_key[key]) if key in of_key else np.nan for key in units.keys])


def _compared(units: Units, network: str, quantity: str, values: Floats, right: Bools) -> MethodsBeingWrong:
    there = np.isfinite(values)
    sides = (units.side(there & right), units.side(there & ~right))
    means = [units.means(np.where(which, values, np.nan)) for which in (right, ~right)]
    fewest = min(side.patients for side in sides)
    return MethodsBeingWrong(
        network=network,
        quantity=quantity,
        right=sides[0],
        wrong=sides[1],
        agreement_right=_score(units, means[0], sides[0].patients),
        agreement_wrong=_score(units, means[1], sides[1].patients),
        difference=_score(units, means[1] - means[0], fewest),
    )


def _score(units: Units, drawn: Floats, patients: int) -> Score | None:
    return None if patients < MINIMUM_PATIENTS else units.resampling.score(drawn)
