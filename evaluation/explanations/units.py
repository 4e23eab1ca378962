"""The rows of an audit as arrays: a film's explained label x network x method, and how they are resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..comparing import Side
from ..errors import EvaluationError
from ..statistics.resampling import GroupBootstrap
from .average_mask import AVERAGE_MASK
from .tables import AuditedFilm, AuditTables

__all__ = ["MINIMUM_PATIENTS", "Bools", "Floats", "Units"]

MINIMUM_PATIENTS = 10
"""Below it a mean is not estimable: a percentile interval over fewer patients is far too narrow."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Units:
    """Pairs of a film and an explained label: what every mean is over.

    Parameters
    ----------
    tables : AuditTables
        All that was measured.
    resamples : int
        Of the bootstrap over groups of patients.

    Raises
    ------
    EvaluationError
        If a row is about a film, a network or a method that the head does not know.
    """

    tables: AuditTables
    resamples: int
    keys: tuple[tuple[str, str], ...] = field(init=False)
    """File and label of each."""
    films: tuple[AuditedFilm, ...] = field(init=False)
    """The film of each."""
    resampling: GroupBootstrap = field(init=False, repr=False)
    """Of the pairs, by the group of their films."""
    _values: dict[str, Floats] = field(init=False, repr=False)
    _average: dict[str, Floats] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        known = self.tables.films()
        asked = [(film.file, label) for film in self.tables.head.films for label in film.explained]
        keys = tuple(dict.fromkeys([*asked, *((row.file, row.label) for row in self.tables.measured)]))
        unknown = sorted({file for file, _ in keys if file not in known})
        if unknown:
            raise EvaluationError(f"audit.json tells of no film {', '.join(unknown[:5])}")
        if not keys:
            raise EvaluationError("no film has a label that was explained")
        films = tuple(known[file] for file, _ in keys)
        values, average = _cubes(self.tables, keys)
        resampling = GroupBootstrap([film.group for film in films], self.resamples, self.tables.head.seed)
        for name, value in (
            ("keys", keys),
            ("films", films),
            ("resampling", resampling),
            ("_values", values),
            ("_average", average),
        ):
            object.__setattr__(self, name, value)

    @property
    def networks(self) -> tuple[str, ...]:
        """In voting order."""
        return self.tables.head.networks

    @property
    def methods(self) -> tuple[str, ...]:
        """As they were asked."""
        return tuple(method.name for method in self.tables.head.methods)

    @property
    def labels(self) -> tuple[str, ...]:
        """Explained ones, in the order of the head."""
        there = {label for _, label in self.keys}
        return tuple(label.name for label in self.tables.head.labels if label.name in there)

    def values(self, quantity: str) -> Floats:
        """Return a quantity of every map, [units, networks, methods]; NaN where there is none."""
        empty = np.full((len(self.keys), len(self.networks), len(self.methods)), np.nan)
        return self._values.get(quantity, empty)

    def average(self, quantity: str) -> Floats:
        """Return a quantity of the average mask, [units, networks]; NaN where there is none."""
        return self._average.get(quantity, np.full((len(self.keys), len(self.networks)), np.nan))

    def with_label(self, label: str | None) -> Bools:
        """Return which units are about a label, [units]; None: all."""
        return np.array([label is None or own == label for _, own in self.keys])

    def called(self) -> Bools:
        """Return whether each network says the label, [units, networks]."""
        return np.array(
            [
                [label in film.called.get(network, ()) for network in self.networks]
                for film, (_, label) in zip(self.films, self.keys, strict=True)
            ]
        ).reshape(len(self.keys), len(self.networks))

    def side(self, which: Bools) -> Side:
        """Count films and patients of units, [units]."""
        there = [film for film, counts in zip(self.films, which, strict=True) if counts]
        return Side(films=len({film.file for film in there}), patients=len({film.group for film in there}))

    def means(self, values: Floats) -> Floats:
        """Return the mean over units under every resample, NaN left out, [resamples + 1, ...] of [units, ...]."""
        flat = values.reshape(len(values), -1)
        there = np.isfinite(flat)
        filled, counted = np.where(there, flat, 0.0), there.astype(np.float64)

        def mean(weights: Floats) -> Floats:
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.asarray((weights @ filled) / (weights @ counted))

        return self.resampling.weigh(mean).reshape(-1, *values.shape[1:])


def _cubes(tables: AuditTables, keys: Sequence[tuple[str, str]]) -> tuple[dict[str, Floats], dict[str, Floats]]:
    unit = {key: place for place, key in enumerate(keys)}
    network = {name: place for place, name in enumerate(tables.head.networks)}
    method = {asked.name: place for place, asked in enumerate(tables.head.methods)}
    values: dict[str, Floats] = {}
    average: dict[str, Floats] = {}
    for row in tables.measured:
        where = unit[row.file, row.label]
        # A stand-in that is the same for all networks may name none.
        if row.network not in network and not (row.method == AVERAGE_MASK and not row.network):
            raise EvaluationError(f"audit.json tells of no network {row.network!r}")
        if row.method == AVERAGE_MASK:
            plane = average.setdefault(row.quantity, np.full((len(keys), len(network)), np.nan))
            plane[where, network[row.network] if row.network else slice(None)] = row.value
        elif row.method in method:
            cube = values.setdefault(row.quantity, np.full((len(keys), len(network), len(method)), np.nan))
            cube[where, network[row.network], method[row.method]] = row.value
        else:
            raise EvaluationError(f"audit.json tells of no method {row.method!r}")
    return values, average
