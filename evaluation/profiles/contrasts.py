"""What sets groups apart: contrasts of their means, the maps in which they are strongest, and how alike groups are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform

from ...handlers.profile import ProfileMerge

__all__ = ["cluster", "contrasts_of", "order_of"]

Floats = NDArray[np.float64]
_FEWEST_GROUPS = 3


def contrasts_of(means: NDArray[np.float32]) -> Floats:
    """Return each group's mean minus the mean over groups, float64 of the same shape ``[groups, channels, h, w]``.

    Groups weigh the same there, whatever their size.
    """
    wide = means.astype(np.float64)
    return np.asarray(wide - wide.mean(axis=0), dtype=np.float64)


def order_of(contrasts: Floats) -> tuple[int, ...]:
    """Return all maps, the largest mean absolute contrast (over groups and pixels) first."""
    strength = np.abs(contrasts).mean(axis=(0, 2, 3))
    return tuple(int(number) for number in np.argsort(-strength, kind="stable"))


def cluster(contrasts: Floats) -> tuple[tuple[tuple[float, ...], ...], tuple[ProfileMerge, ...]]:
    """Compare groups by the cosine distance of their contrasts, and cluster them by average linkage.

    Parameters
    ----------
    contrasts : ndarray of float64, shape [groups, channels, height, width]
        Of one layer.

    Returns
    -------
    tuple
        Distances in [0, 2], a row for each group, and the merges. Both empty for fewer than three groups, since the
        contrasts of two are always opposite (distance 2), and where a group has no contrast at all.
    """
    rows = contrasts.reshape(len(contrasts), -1)
    if len(rows) < _FEWEST_GROUPS or not np.linalg.norm(rows, axis=1).all():
        return (), ()
    distances = np.clip(pdist(rows, "cosine"), 0, 2)
    table = squareform(distances)
    merges = tuple(
        ProfileMerge(first=int(first), second=int(second), distance=float(distance))
        for first, second, distance, _ in linkage(distances, "average")
    )
    return tuple(tuple(map(float, row)) for row in table), merges
