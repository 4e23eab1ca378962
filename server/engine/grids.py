"""From the pixel grid of one network to that of another: both lie over the same X-ray."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...handlers.geometry import fit

__all__ = ["Resampling", "resampling"]


@dataclass(frozen=True, eq=False)
class Resampling:
    """Bilinear resampling as two matrices, one per axis: it is linear, so that changes can be resampled alone.

    Parameters
    ----------
    rows : ndarray of float64, shape [target height, source height]
        Weights of the source's rows.
    columns : ndarray of float64, shape [target width, source width]
        Weights of the source's columns.
    """

    rows: NDArray[np.float64] = field(repr=False)
    columns: NDArray[np.float64] = field(repr=False)

    def __call__(self, planes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Resample planes, [..., source height, source width] to [..., target height, target width]."""
        moved: NDArray[np.float64] = self.rows @ planes @ self.columns.T
        return moved


def resampling(height: int, width: int, source: int, target: int) -> Resampling:
    """Prepare to bring planes from one network's input to another's.

    Interpolates where the target is finer; where it is coarser the filter widens as that of the preprocessing does
    (antialiasing). As there, the X-ray and the padding around it do not run into each other. The same grid is left
    as it is, bit by bit.

    Parameters
    ----------
    height, width : int
        Size of the X-ray, pixels.
    source, target : int
        Sides of the square inputs, pixels.
    """
    old, new = fit(height, width, source), fit(height, width, target)
    return Resampling(
        _weights(
            _parts(old.top, old.resized_height, source),
            _parts(new.top, new.resized_height, target),
            new.affine.scale_y / old.affine.scale_y,
            (new.affine.offset_y - old.affine.offset_y) / old.affine.scale_y,
        ),
        _weights(
            _parts(old.left, old.resized_width, source),
            _parts(new.left, new.resized_width, target),
            new.affine.scale_x / old.affine.scale_x,
            (new.affine.offset_x - old.affine.offset_x) / old.affine.scale_x,
        ),
    )


def _parts(before: int, inside: int, side: int) -> NDArray[np.int64]:
    """Say of each pixel of an axis whether it lies before the X-ray (-1), in it (0) or behind it (1)."""
    places = np.arange(side)
    return np.where(places < before, -1, np.where(places < before + inside, 0, 1))


def _weights(source: NDArray[np.int64], target: NDArray[np.int64], scale: float, offset: float) -> NDArray[np.float64]:
    """Weights of one axis, [target, source]: triangles around where the target's pixels have their centres."""
    centres = scale * (np.arange(len(target)) + 0.5) + offset
    distances = np.abs(np.arange(len(source)) + 0.5 - centres[:, None])
    weights = np.zeros(distances.shape)
    for part in (-1, 0, 1):
        # Where there is no padding to take from, the nearest pixel of the X-ray goes on.
        there = source == part if (source == part).any() else source == 0
        wanted = target == part
        near = np.where(there, distances[wanted], np.inf)
        # A centre may lie beyond the last pixel of its part by a rounding: it is taken to lie on it.
        nearest = near.min(axis=1, keepdims=True, initial=np.inf)
        reach = max(1.0, scale)
        weights[wanted] = np.maximum(0.0, 1.0 - near / np.maximum(reach, nearest + 1e-9))
    normalised: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return normalised
