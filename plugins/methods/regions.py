"""The regions that XRAI ranks: an image cut at several scales."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from skimage.morphology import dilation, disk
from skimage.segmentation import felzenszwalb
from skimage.transform import resize

__all__ = ["regions"]

_SIDE = 224
"""The scales are meant for images of this side, pixels ..."""
_RANGE = 2.0
"""... whose brightness spans this much."""
_SIGMA = 0.8
"""Blur, pixels."""


def regions(
    brightness: NDArray[np.float64], scales: Sequence[float], smallest: int, radius: int
) -> list[NDArray[np.bool_]]:
    """Cut an image at several scales, as XRAI's library does, where this is no part of its interface.

    Parameters
    ----------
    brightness : ndarray of float64, shape [H, W]
        The image as shown.
    scales : sequence of float
        Of Felzenszwalb's algorithm.
    smallest : int
        Fewest pixels of a region of the image at 224 x 224.
    radius : int
        Pixels by which each region is grown.

    Returns
    -------
    list of ndarray of bool, shape [H, W]
        Regions that overlap; together they are the image. A uniform image is one region.
    """
    span = float(np.ptp(brightness))
    if span == 0:
        return [np.ones(brightness.shape, dtype=bool)]
    spread = (brightness - brightness.min()) / span * _RANGE - _RANGE / 2
    image = resize(spread, (_SIDE, _SIDE), order=3, mode="constant", preserve_range=True, anti_aliasing=True)
    found = []
    for scale in scales:
        labels = felzenszwalb(image, scale=scale, sigma=_SIGMA, min_size=smallest)
        labels = resize(
            labels, brightness.shape, order=0, mode="constant", preserve_range=True, anti_aliasing=False
        ).astype(int)
        found += [labels == one for one in np.unique(labels)]
    return [dilation(mask, disk(radius)) for mask in found] if radius else found
