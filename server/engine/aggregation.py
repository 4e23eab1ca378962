"""Several networks' maps of one label become one. Arrays only.

The maps lie on one grid, one per network. A network's attributions have the scale of its own output, so none is
compared with another's before it is divided by a scale, or ranked, on its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

__all__ = ["Agreement", "Aggregation", "Evidence", "Mean", "agreement", "majority", "normalised_mean"]

SCALE_PERCENTILE = 99.0
"""A map's scale is this percentile of its magnitudes: a few hot pixels do not decide it."""

FloatArray = NDArray[np.float32]


class Evidence(Enum):
    """A direction of evidence in a map that has a sign."""

    FOR = "for"
    AGAINST = "against"


@dataclass(frozen=True)
class Mean:
    """The mean of the maps, each divided by its own scale."""

    name = "mean"


@dataclass(frozen=True)
class Agreement:
    """Where enough networks point.

    Parameters
    ----------
    networks : int
        Least number of networks; 0: the majority of them.
    top_share : float
        A network points at the pixels that are among this share of its map's strongest, in (0, 1).
    evidence : Evidence
        Which evidence counts in signed maps.
    """

    networks: int = 0
    top_share: float = 0.1
    evidence: Evidence = Evidence.FOR

    @property
    def name(self) -> str:
        """What it is called where there are both directions of evidence."""
        return "agreement" if self.evidence is Evidence.FOR else "agreement against"


Aggregation = Mean | Agreement


def majority(networks: int) -> int:
    """Return the least number that is more than half."""
    return networks // 2 + 1


def normalised_mean(maps: FloatArray) -> tuple[FloatArray, tuple[float, ...]]:
    """Take the mean of maps that are divided by the 99th percentile of their magnitudes first.

    Parameters
    ----------
    maps : ndarray of float32, shape [networks, height, width]
        Finite values.

    Returns
    -------
    ndarray of float32, shape [height, width]
        Mostly in [-1, 1]; nothing is cut off. A map of zeros counts as zeros.
    tuple of float
        The scales: the percentile, or the largest magnitude of a map so sparse that its percentile is 0.
    """
    mean = np.zeros(maps.shape[1:])
    scales = []
    for one in maps:
        magnitudes = np.abs(one)
        scale = float(np.percentile(magnitudes, SCALE_PERCENTILE)) or float(magnitudes.max(initial=0.0))
        scales.append(scale)
        if scale > 0:
            # In double: a map may be so faint that single precision has no inverse of its scale.
            mean += one.astype(np.float64) / scale
    return (mean / len(maps)).astype(np.float32), tuple(scales)


def agreement(maps: FloatArray, networks: int, how: Agreement) -> tuple[FloatArray, tuple[float, ...]]:
    """Find where enough networks point.

    A network points at a pixel if it is among the `top_share` of its map's pixels with the largest magnitudes, and its
    value has the sign of the evidence. So a map that speaks against a label nearly everywhere does not point at the
    little that speaks for it. Pixels that are equal to the last of these, as in a segment, are pointed at too.

    Parameters
    ----------
    maps : ndarray of float32, shape [networks that gave a map, height, width]
        Finite values; unsigned ones are evidence for.
    networks : int
        Number of networks of which the share is taken, those without a map included.
    how : Agreement
        With a least number of networks, at least 1.

    Returns
    -------
    ndarray of float32, shape [height, width]
        Share of the networks that point at the pixel, in [0, 1]; 0 where it is fewer than there must be.
    tuple of float
        For each map the least magnitude that it points at; 0 where it points nowhere.
    """
    count = np.zeros(maps.shape[1:], dtype=np.int64)
    levels = []
    for one in maps:
        evidence = one if how.evidence is Evidence.FOR else -one
        # "higher": the magnitude of a pixel, not one between two.
        level = np.quantile(np.abs(one), 1 - how.top_share, method="higher")
        pointed = (evidence >= level) & (evidence > 0)
        count += pointed
        levels.append(float(evidence[pointed].min()) if pointed.any() else 0.0)
    enough = count >= how.networks
    return (np.where(enough, count, 0) / networks).astype(np.float32), tuple(levels)
