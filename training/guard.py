"""Fitting the guard that tells which X-rays are unlike the training films: seconds, once for a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from ..handlers.guard import (
    FEWEST_FILMS,
    FEWEST_HELD_OUT,
    FILMS_PER_COMPONENT,
    GUARD_INPUT,
    Guard,
    Scale,
    ranks,
    scale,
)
from .record import read_document, write_document

__all__ = ["GUARD", "fit_guard", "read_guard", "write_guard"]

GUARD = "guard.json"
"""In a run's folder."""

_COMPONENTS = 16
_FLOOR = 0.1
"""Share of the largest variance that is added to the variance in every direction: small variances are not well known of
few films, and would drown all others. Validation films chose it."""
_MOST_HELD_OUT = 1000
_DECIMALS = 4


def fit_guard(train: NDArray[np.float32], held_out: NDArray[np.float32]) -> Guard | None:
    """Fit a guard on the training films and calibrate it on films that were held out.

    Parameters
    ----------
    train, held_out : ndarray, shape [films, 16, 16] or [films, 1, 16, 16]
        Brightness in [0, 1], preprocessed as `GUARD_INPUT` says. A film on end or of a lateral view among them teaches
        the guard to accept such films.

    Returns
    -------
    Guard or None
        None where there are fewer than 100 training films or 20 held-out ones: what is kept of a few films would show
        them, and few films do not tell what is rare. None, too, where the films are all alike.
    """
    if len(train) < FEWEST_FILMS or len(held_out) < FEWEST_HELD_OUT:
        return None
    side = GUARD_INPUT.size
    cells = ranks(np.asarray(train, dtype=np.float64).reshape(-1, side, side)).reshape(len(train), -1)
    pca = PCA(min(_COMPONENTS, len(train) // FILMS_PER_COMPONENT), svd_solver="full").fit(cells)
    floor = _FLOOR * pca.explained_variance_[0]
    noise = round(float(pca.noise_variance_ + floor), _DECIMALS)
    if noise <= 0:
        return None
    unscaled = Guard(
        films=len(train),
        mean=_rounded(pca.mean_),
        components=tuple(_rounded(component) for component in pca.components_),
        variances=_rounded(pca.explained_variance_ + floor),
        noise=noise,
        distance=Scale(median=0, spread=1),
        gain=Scale(median=0, spread=1),
        held_out=(0.0,) * FEWEST_HELD_OUT,
    )
    distances = unscaled.distances(train)
    distances = distances[np.isfinite(distances[:, 0])]  # without blank films
    scaled = unscaled.model_copy(
        update={
            "distance": scale(distances[:, 0]),
            "gain": scale(distances[:, 0] - distances[:, 1:].min(axis=1)),
        }
    )
    chosen = np.random.default_rng(0).permutation(len(held_out))[:_MOST_HELD_OUT]
    found = np.sort(scaled.unlikeness(held_out[np.sort(chosen)]))
    return Guard.model_validate(scaled.model_dump() | {"held_out": tuple(found.tolist())})


def write_guard(folder: Path, train: NDArray[np.float32], held_out: NDArray[np.float32]) -> Guard | None:
    """Fit a guard and leave it in a run's folder as ``guard.json``; see `fit_guard`."""
    guard = fit_guard(train, held_out)
    if guard is not None:
        write_document(guard, folder / GUARD)
    return guard


def read_guard(folder: Path) -> Guard | None:
    """Read the guard of a run, None where it has none.

    Raises
    ------
    RunError
        If it is not a guard.
    """
    path = folder / GUARD
    return read_document(Guard, path) if path.is_file() else None


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), _DECIMALS) for value in values)
