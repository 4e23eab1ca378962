"""Where the lungs are on an X-ray, and how much of a map lies outside of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .errors import HandlersError, ImageError
from .limits import MAX_PIXELS
from .placing import placed
from .png import SIGNATURE, decode_png, read_png

__all__ = [
    "LUNG",
    "MAX_MASK_BYTES",
    "NOT_LUNG",
    "UNKNOWN",
    "LungMask",
    "MaskProblem",
    "Outside",
    "check_values",
    "read_mask",
]

LUNG, UNKNOWN, NOT_LUNG = 255, 127, 0
"""The values of a mask."""
MAX_MASK_BYTES = 4 * 2**20
"""Largest file of a mask: three values compress to a fraction of an X-ray's file."""


class MaskProblem(HandlersError):
    """A mask that cannot be used; the text says why, as the rest of a sentence about the mask."""


@dataclass(frozen=True)
class Outside:
    """How much of a map lies outside the lungs, of the area where the mask says what is lung.

    Parameters
    ----------
    share : float or None
        Share of the map's positive values outside, in [0, 1]; None where there is none in that area.
    area : float
        Share of that area which is outside, in [0, 1]: what a map without any preference would have.
    """

    share: float | None
    area: float


def check_values(values: NDArray[np.uint8]) -> None:
    """Refuse a mask of other values than 255, 127 and 0, or without a lung in it.

    Parameters
    ----------
    values : ndarray of uint8, shape [height, width]
        The mask.

    Raises
    ------
    MaskProblem
        If it cannot be used.
    """
    found = np.flatnonzero(np.bincount(values.reshape(-1), minlength=256))
    strange = [int(value) for value in found if value not in (LUNG, UNKNOWN, NOT_LUNG)]
    if strange:
        listed = ", ".join(map(str, strange[:3])) + (", ..." if len(strange) > 3 else "")
        raise MaskProblem(f"has values ({listed}) other than 255 (lung), 127 (not known) and 0 (not lung)")
    if LUNG not in found:
        raise MaskProblem("has no lung in it: no pixel is 255")


def read_mask(data: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Decode a mask that a caller gave.

    Parameters
    ----------
    data : bytes
        An 8-bit grey PNG.
    height, width : int
        Size of the X-ray, pixels, as displayed.

    Returns
    -------
    ndarray of uint8, shape [height, width]
        255 lung, 127 not known, 0 not lung.

    Raises
    ------
    MaskProblem
        If it is no such file, or not of this size.
    """
    if len(data) > MAX_MASK_BYTES:
        raise MaskProblem(f"has {len(data)} bytes; the limit is {MAX_MASK_BYTES}")
    if not data.startswith(SIGNATURE):
        raise MaskProblem("must be an 8-bit grey PNG, and is no PNG")
    try:
        png = read_png(data, MAX_PIXELS)
    except ImageError as error:
        raise MaskProblem(f"cannot be read: {error}") from None
    if png.depth != 8 or png.colour != 0 or png.transparency:
        raise MaskProblem("must be an 8-bit grey PNG: one channel, no palette, no transparency")
    if (png.header.height, png.header.width) != (height, width):
        own = f"{png.header.width} x {png.header.height}"
        raise MaskProblem(f"has {own} pixels and the X-ray {width} x {height} (width x height): they must be the same")
    try:
        values: NDArray[np.uint8] = np.rint(decode_png(png) * LUNG).astype(np.uint8)
    except ImageError as error:
        raise MaskProblem(f"cannot be read: {error}") from None
    check_values(values)
    return values


@dataclass(frozen=True, eq=False)
class LungMask:
    """Where the lungs are on an X-ray.

    Parameters
    ----------
    values : ndarray of uint8, shape [height, width]
        On the X-ray's own grid: 255 lung, 127 not known, 0 not lung.
    """

    values: NDArray[np.uint8] = field(repr=False)

    def outside(self, heatmap: NDArray[np.float32]) -> Outside | None:
        """Measure how much of a map's positive values lies outside the lungs.

        Padding, and what the mask does not know, is left out of both.

        Parameters
        ----------
        heatmap : ndarray of float32, shape [size, size]
            On a network's square input grid.

        Returns
        -------
        Outside or None
            None where the mask knows nothing of what the network saw.
        """
        there, inside = placed(self.values, heatmap.shape[0])
        known = inside & (there != UNKNOWN)
        if not known.any():
            return None
        outside = there[known] != LUNG
        evidence = np.clip(heatmap[known].astype(np.float64), 0, None)
        total = float(evidence.sum())
        share = min(1.0, float(evidence[outside].sum()) / total) if total > 0 else None
        return Outside(share, float(outside.mean()))
