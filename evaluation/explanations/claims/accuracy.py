"""Who is right more often on the audited films, paired."""

from __future__ import annotations

from functools import partial

import numpy as np

from ...statistics.resampling import GroupBootstrap
from ..result import Contrast
from ..units import MINIMUM_PATIENTS, Floats, Units
from .evidence import DENSENET, contrasts_of

__all__ = ["accuracy_contrasts"]


def accuracy_contrasts(units: Units) -> tuple[Contrast, ...]:
    """Return DenseNet161's micro-F1 minus that of each other network, over the networks' labels of the audited films.

    There are none where the films are of too few patients.
    """
    head = units.tables.head
    patients = len({film.group for film in head.films})
    if patients < MINIMUM_PATIENTS:
        return ()
    resampling = GroupBootstrap([film.group for film in head.films], units.resamples, head.seed)
    scores = {name: resampling.weigh(partial(_micro_f1, units=units, network=name)) for name in head.networks}
    others = [name for name in head.networks if name != DENSENET]
    return contrasts_of(resampling, [(f"against {name}", scores[DENSENET] - scores[name], patients) for name in others])


def _micro_f1(weights: Floats, units: Units, network: str) -> Floats:
    hits, errors = [], []
    labels = {label.name for label in units.tables.head.labels}
    for film in units.tables.head.films:
        said = film.called.get(network)  # None: it did not answer, as with a film that was refused
        pairs = [] if said is None else [(label in said, true) for label, true in film.known.items() if label in labels]
        hits.append(sum(says and true for says, true in pairs))
        errors.append(sum(says != true for says, true in pairs))
    with np.errstate(invalid="ignore", divide="ignore"):
        twice = 2.0 * (weights @ np.array(hits, dtype=np.float64))
        return np.asarray(twice / (twice + weights @ np.array(errors, dtype=np.float64)))
