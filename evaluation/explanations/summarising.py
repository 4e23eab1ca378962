"""Means of every quantity by network, method and label."""

from __future__ import annotations

import numpy as np

from .result import Summary
from .scopes import Scope
from .tables import Quantity
from .units import MINIMUM_PATIENTS, Units

__all__ = ["summaries"]


def summaries(units: Units, quantity: Quantity, scope: Scope) -> tuple[Summary, ...]:
    """Return the means of a quantity over the films of a scope, with intervals over patients.

    Parameters
    ----------
    units : Units
        What was measured.
    quantity : Quantity
        Which one.
    scope : Scope
        Over which films.

    Returns
    -------
    tuple of Summary
        Network by network, method by method: all labels together, then one by one. What has no value at all is left
        out.
    """
    found = []
    values = np.where(scope.counts[:, :, None], units.values(quantity.name), np.nan)
    # One label alone is the same as all labels together.
    for label in (None, *(units.labels if len(units.labels) > 1 else ())):
        own = np.where(units.with_label(label)[:, None, None], values, np.nan)
        means = units.means(own)
        for row, network in enumerate(units.networks):
            for column, method in enumerate(units.methods):
                there = np.isfinite(own[:, row, column])
                if not there.any():
                    continue
                side = units.side(there)
                few = side.patients < MINIMUM_PATIENTS
                found.append(
                    Summary(
                        quantity=quantity.name,
                        scope=scope.name,
                        network=network,
                        method=method,
                        label=label,
                        films=side.films,
                        patients=side.patients,
                        score=None if few else units.resampling.score(means[:, row, column]),
                    )
                )
    return tuple(found)
