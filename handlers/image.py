"""The one form in which an X-ray exists between decoding and preprocessing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["ImageFormat", "ImageHeader", "XRay"]

ImageFormat = Literal["png", "jpeg", "dicom"]


@dataclass(frozen=True)
class ImageHeader:
    """What an encoded image says of itself before its pixels are decoded.

    Parameters
    ----------
    format : str
        ``"png"``, ``"jpeg"`` or ``"dicom"``, found from the bytes.
    height, width : int
        Pixels, as displayed: after the EXIF orientation of a JPEG.
    """

    format: ImageFormat
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class XRay:
    """One decoded X-ray.

    Parameters
    ----------
    pixels : ndarray of float32, shape [height, width]
        Brightness as displayed, 0 (black) to 1 (white): bone bright, lungs dark. The grid is the one a viewer
        shows, that is after the EXIF orientation of a JPEG; it is what affines and heatmaps refer to.
    format : str
        ``"png"``, ``"jpeg"`` or ``"dicom"``.
    pixel_spacing : tuple of float, optional
        Distance of rows and of columns in millimetres, where a DICOM says so.
    """

    pixels: NDArray[np.float32]
    format: ImageFormat
    pixel_spacing: tuple[float, float] | None = None

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])
