"""Over which films a quantity may be averaged: some are worth telling apart, some must never be put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .result import ScopeRecord
from .tables import Quantity
from .units import Bools, Units

__all__ = ["ALL", "Scope", "scopes_of"]

ALL = "all"
TRUE_POSITIVES = "true positives"


@dataclass(frozen=True, eq=False)
class Scope:
    """Units that count for a number.

    Parameters
    ----------
    name, words : str
        As `ScopeRecord` has them.
    counts : ndarray of bool, shape [units, networks]
        Which units count for which network.
    """

    name: str
    words: str
    counts: Bools

    def record(self) -> ScopeRecord:
        """Return it without its units."""
        return ScopeRecord(name=self.name, words=self.words)


def scopes_of(quantity: Quantity, units: Units) -> tuple[Scope, ...]:
    """Return the scopes of a quantity.

    Localisation is told for all films and for true positives alone: a map of a label that the network does not say
    cannot be expected to point at it. Lungs are told by source: masks of sources were drawn by different rules.
    """
    every = np.ones((len(units.keys), len(units.networks)), dtype=bool)
    if quantity.family == "lungs":
        there = np.isfinite(units.values(quantity.name)).any(axis=(1, 2))
        sources = sorted({film.source for film, known in zip(units.films, there, strict=True) if known})
        return tuple(
            Scope(
                f"source {source}",
                f"films of {source} with a lung mask",
                every & np.array([film.source == source for film in units.films])[:, None],
            )
            for source in sources
        )
    whole = Scope(ALL, "all films on which it can be measured", every)
    if quantity.family == "localisation":
        said = "films whose label the network says; where networks are compared, those whose label all of them say"
        return (whole, Scope(TRUE_POSITIVES, said, units.called()))
    return (whole,)
