"""From the grid of the original X-ray to a network's input, without mixing values."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .geometry import fit

__all__ = ["on_input_grid", "placed"]

S = TypeVar("S", bound=np.generic)


def placed(plane: NDArray[S], size: int) -> tuple[NDArray[S], NDArray[np.bool_]]:
    """Bring a plane from the original image to a network's square input: each pixel takes the value at its centre.

    Parameters
    ----------
    plane : ndarray, shape [height, width]
        On the original grid.
    size : int
        Side of the input, pixels.

    Returns
    -------
    ndarray, shape [size, size]
        The plane on the input's grid; in the padding, the nearest value of its border.
    ndarray of bool, shape [size, size]
        Where the input shows the image, not padding.
    """
    height, width = plane.shape
    affine = fit(height, width, size).affine
    centres = np.arange(size) + 0.5
    rows = np.floor(affine.scale_y * centres + affine.offset_y).astype(int)
    columns = np.floor(affine.scale_x * centres + affine.offset_x).astype(int)
    inside = np.logical_and.outer((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    return plane[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)], inside


def on_input_grid(mask: NDArray[np.generic], size: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Bring a mask from the original image to a network's square input.

    Parameters
    ----------
    mask : ndarray, shape [height, width]
        On the original grid; anything but 0 is inside.
    size : int
        Side of the input, pixels.

    Returns
    -------
    tuple of ndarray of bool, shape [size, size]
        The mask on the input's grid, nothing of it in the padding; and where the input shows the image.
    """
    sampled, inside = placed(mask != 0, size)
    return sampled & inside, inside
