"""How alike maps of one film are, and whether they are less so where the answer is wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..statistics.score import Score
from .result import Agreeing, BeingWrong, Of
from .tables import Agreed
from .units import MINIMUM_PATIENTS, Bools, Floats, Units

__all__ = ["MAJORITY", "agreeing", "being_wrong"]

MAJORITY = "majority"
_BETWEEN: tuple[Of, ...] = ("networks", "methods")


def agreeing(units: Units) -> tuple[Agreeing, ...]:
    """Return the mean likeness of every pair of networks (over methods) and of methods (over networks)."""
    found = []
    for between, quantity, rows in _tables(units):
        for first, second in dict.fromkeys((row.first, row.second) for row in rows):
            values = _of_units(units, rows, lambda row, a=first, b=second: (row.first, row.second) == (a, b))
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


def being_wrong(units: Units) -> tuple[BeingWrong, ...]:
    """Compare the likeness of maps where a label is said with that where it is missed.

    Networks: that of all pairs, by the answer of the majority; that of a network with all others, by its own answer.
    Methods: that of all pairs on one network, by its own answer.
    """
    said = units.called()
    majority = np.array(
        [label in film.called.get(MAJORITY, ()) for film, (_, label) in zip(units.films, units.keys, strict=True)]
    )
    known = any(MAJORITY in film.called for film in units.films)
    found = []
    for between, quantity, rows in _tables(units):
        if between == "networks" and known:
            found.append(_compared(units, between, MAJORITY, quantity, _of_units(units, rows), majority))
        for place, network in enumerate(units.networks):
            own = (lambda row, n=network: n in (row.first, row.second)) if between == "networks" else (
                lambda row, n=network: row.of == n
            )
            values = _of_units(units, rows, own)
            if np.isfinite(values).any():
                found.append(_compared(units, between, network, quantity, values, said[:, place]))
    return tuple(found)


def _tables(units: Units) -> Iterable[tuple[Of, str, list[Agreed]]]:
    for between in _BETWEEN:
        own = [row for row in units.tables.agreed if row.between == between]
        for quantity in dict.fromkeys(row.quantity for row in own):
            yield between, quantity, [row for row in own if row.quantity == quantity]


def _of_units(units: Units, rows: Sequence[Agreed], counts: Callable[[Agreed], bool] = lambda row: True) -> Floats:
    """Return the mean of the rows of each unit, [units]; NaN where there is none."""
    of_key: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        if counts(row):
            of_key[row.file, row.label].append(row.value)
    return np.array([np.mean(of_key[key]) if key in of_key else np.nan for key in units.keys])


def _compared(units: Units, between: Of, of: str, quantity: str, values: Floats, right: Bools) -> BeingWrong:
    there = np.isfinite(values)
    sides = (units.side(there & right), units.side(there & ~right))
    means = [units.means(np.where(which, values, np.nan)) for which in (right, ~right)]
    fewest = min(side.patients for side in sides)
    return BeingWrong(
        between=between,
        of=of,
        quantity=quantity,
        right=sides[0],
        wrong=sides[1],
        agreement_right=_score(units, means[0], sides[0].patients),
        agreement_wrong=_score(units, means[1], sides[1].patients),
        difference=_score(units, means[1] - means[0], fewest),
    )


def _score(units: Units, drawn: Floats, patients: int) -> Score | None:
    return None if patients < MINIMUM_PATIENTS else units.resampling.score(drawn)
