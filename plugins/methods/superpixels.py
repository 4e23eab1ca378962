"""Superpixels: an image cut along what it shows."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from math import ceil

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import felzenszwalb, slic

__all__ = ["Segmentation", "superpixels"]

_COMPACTNESS, _BLUR = 0.1, 1.0
"""Of SLIC: what a step in place counts against one in brightness, so that superpixels keep to edges and stay round; and
the blur, pixels, without which grain tears them apart, and what is torn apart becomes one."""
_SCALE, _SIGMA = 100.0, 0.8
"""Of Felzenszwalb's algorithm: how much an edge must stand out, and the blur, pixels, as its authors set it."""


class Segmentation(str, Enum):
    """How an image is cut."""

    SLIC = "slic"
    """Clusters of place and brightness, of about equal size. Achanta et al., IEEE TPAMI 2012."""
    FELZENSZWALB = "felzenszwalb"
    """Regions without an edge inside, of very different size. Felzenszwalb, Huttenlocher, IJCV 2004."""
    GRID = "grid"
    """Rectangles, whatever the image shows."""


def superpixels(brightness: NDArray[np.float64], segmentation: Segmentation, most: int) -> NDArray[np.int64]:
    """Cut an image; the same image is always cut alike.

    Parameters
    ----------
    brightness : ndarray of float64, shape [H, W]
        The image as shown, in [0, 1].
    segmentation : Segmentation
        How.
    most : int
        Most segments; at least 1, at most the number of pixels. There may be fewer.

    Returns
    -------
    ndarray of int64, shape [H, W]
        The segment of each pixel, from 0, none left out.
    """
    _, labels = np.unique(_ALGORITHMS[segmentation](brightness, most), return_inverse=True)
    numbered: NDArray[np.int64] = labels.reshape(brightness.shape).astype(np.int64)
    return numbered


def _slic(brightness: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    # It makes fewer than asked for, nearly always.
    return _finest(
        brightness,
        most,
        [round(most * factor) for factor in np.linspace(2, 0, 33)],
        lambda asked: slic(brightness, asked, compactness=_COMPACTNESS, sigma=_BLUR, channel_axis=None, start_label=0),
    )


def _felzenszwalb(brightness: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    return _finest(
        brightness,
        most,
        [max(1, round(brightness.size / most / factor)) for factor in 2.0 ** np.arange(8, -1, -1)],
        lambda pixels: felzenszwalb(brightness, _SCALE, sigma=_SIGMA, min_size=pixels, channel_axis=None),
    )


def _finest(
    brightness: NDArray[np.float64], most: int, sizes: list[int], cut: Callable[[int], NDArray[np.int64]]
) -> NDArray[np.int64]:
    """Take the finest cut with few enough segments; the sizes go from fine to coarse."""
    best = np.zeros(brightness.shape, dtype=np.int64)
    low, high = 0, len(sizes)
    while low < high:
        middle = (low + high) // 2
        labels = cut(max(1, sizes[middle]))
        if len(np.unique(labels)) <= most:
            best, high = labels, middle
        else:
            low = middle + 1
    return best


def _grid(brightness: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Make cells as square as they can be."""
    height, width = brightness.shape
    rows = min(height, max(1, round((most * height / width) ** 0.5)))
    columns = min(width, max(1, most // rows))
    row, column = (np.arange(side) // ceil(side / cells) for side, cells in ((height, rows), (width, columns)))
    cells: NDArray[np.int64] = row[:, None] * columns + column
    return cells


_ALGORITHMS = {Segmentation.SLIC: _slic, Segmentation.FELZENSZWALB: _felzenszwalb, Segmentation.GRID: _grid}
