"""A mask on a network's own input grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..handlers.geometry import fit

BoolPlane = NDArray[np.bool_]


def on_input_grid(mask: NDArray[np.generic], size: int) -> tuple[BoolPlane, BoolPlane]:
    """Bring a mask from the original image to a network's square input.

    Parameters
    ----------
    mask
        Original grid, [H, W]; anything but 0 is inside.
    size
        Side of the input, in pixels.

    Returns
    -------
    tuple
        The mask on the input's grid and where the input shows the image (not padding), both [size, size].
    """
    height, width = mask.shape
    affine = fit(height, width, size).affine
    centres = np.arange(size) + 0.5
    rows = np.floor(affine.scale_y * centres + affine.offset_y).astype(int)
    columns = np.floor(affine.scale_x * centres + affine.offset_x).astype(int)
    inside = np.logical_and.outer((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    sampled = (mask != 0)[np.clip(rows, 0, height - 1)][:, np.clip(columns, 0, width - 1)]
    return sampled & inside, inside
