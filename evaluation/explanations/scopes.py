"""Over which films a quantity may be averaged: some are worth telling apart, some must never be put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .result import ScopeRecord
from .tables import Quantity
from .units import Bools, Units

__all__ = ["ALL", "TRUE_POSITIVES", "Scope", "scopes_of"]

ALL = "all"
UNTOLD = "unknown"
"""The source of films of which a manifest does not tell it."""
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
    cannot be expected to point at it. Lungs are told by source (without its parts) and by the kind of its masks,
    which call different areas lung.
    """
    every = np.ones((len(units.keys), len(units.networks)), dtype=bool)
    if quantity.family == "lungs":
        there = np.isfinite(units.values(quantity.name)).any(axis=(1, 2))
        of_mask = "boxes" not in quantity.name.split(".")[-1].split("_")
        keys = [(film.source.partition("/")[0] or UNTOLD, film.lung_kind if of_mask else "") for film in units.films]
        return tuple(
            Scope(
                f"source {source}" + (f", lungs {kind}" if kind else ""),
                f"films of {source}" + (f" whose lung masks are of the kind “{kind}”" if kind else ""),
                every & np.array([key == (source, kind) for key in keys])[:, None],
            )
            for source, kind in sorted({key for key, known in zip(keys, there, strict=True) if known})
        )
    whole = Scope(ALL, "all films on which it can be measured", every)
    if quantity.family == "localisation":
        said = "films whose label the network says; where networks are compared, those whose label all of them say"
        return (whole, Scope(TRUE_POSITIVES, said, units.called()))
    return (whole,)
