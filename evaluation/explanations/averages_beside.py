"""Localisation numbers beside those of the average mask, which knows where disease mostly lies and no film."""

from __future__ import annotations

import numpy as np

from ..statistics.score import Score
from .result import AgainstAverage
from .scopes import Scope
from .tables import Quantity
from .units import MINIMUM_PATIENTS, Floats, Units

__all__ = ["CHANCE", "against_average"]

CHANCE = {
    "localisation.pointing": "localisation.area",
    "localisation.mass_inside": "localisation.area",
    "localisation.auprc": "localisation.area",
    "localisation.iou": "localisation.iou_expected",
}
"""Which quantity is what a map without knowledge gets in expectation: the share of the film that is marked, or the IoU
of as many pixels anywhere."""


def against_average(units: Units, quantity: Quantity, scope: Scope) -> tuple[AgainstAverage, ...]:
    """Return every network and method beside the average mask, paired on the same films.

    Parameters
    ----------
    units : Units
        What was measured.
    quantity : Quantity
        Of localisation.
    scope : Scope
        Over which films.

    Returns
    -------
    tuple of AgainstAverage
        What has no value at all is left out.
    """
    values = np.where(scope.counts[:, :, None], units.values(quantity.name), np.nan)
    average = np.broadcast_to(units.average(quantity.name)[:, :, None], values.shape)
    chance = units.values(CHANCE[quantity.name]) if quantity.name in CHANCE else np.full_like(values, np.nan)
    of_masks = units.average(CHANCE.get(quantity.name, ""))[:, :, None]
    chance = np.where(np.isfinite(chance), chance, of_masks)
    there = np.isfinite(values)
    found = []
    means = [
        units.means(np.where(there & np.isfinite(own), own, np.nan))
        for own in (values, np.where(there, average, np.nan), values - average, np.where(there, chance, np.nan))
    ]
    for row, network in enumerate(units.networks):
        for column, method in enumerate(units.methods):
            if not there[:, row, column].any():
                continue
            side = units.side(there[:, row, column])
            scores = [_score(units, one[:, row, column], side.patients) for one in means]
            found.append(
                AgainstAverage(
                    quantity=quantity.name,
                    scope=scope.name,
                    network=network,
                    method=method,
                    films=side.films,
                    patients=side.patients,
                    map=scores[0],
                    average_mask=scores[1],
                    difference=scores[2],
                    chance=scores[3],
                )
            )
    return tuple(found)


def _score(units: Units, drawn: Floats, patients: int) -> Score | None:
    few = patients < MINIMUM_PATIENTS or not np.isfinite(drawn[0])
    return None if few else units.resampling.score(drawn)
