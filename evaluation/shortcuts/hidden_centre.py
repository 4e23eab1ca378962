"""One mask for all films, which hides where lungs are."""

from __future__ import annotations

import numpy as np

from ...handlers import XRay

__all__ = ["MARGIN", "hide_centre"]

MARGIN = 0.1
"""Share of each side that stays visible at either end. On the 28 real films whose lungs were outlined and that were
measured, what is hidden covers 96 % of the lungs' area on average (5th percentile 90 %)."""


def hide_centre(image: XRay) -> XRay:
    """Hide all but a frame of a tenth of each side.

    The place is the same for every film, whatever it shows: a mask that follows the lungs would show their shape. What
    is hidden becomes the mean brightness of what is not, so that it tells nothing, not even how bright it was.

    Parameters
    ----------
    image : XRay
        A film.

    Returns
    -------
    XRay
        Of the same size.
    """
    top, left = round(MARGIN * image.height), round(MARGIN * image.width)
    hidden = np.zeros(image.pixels.shape, dtype=bool)
    hidden[top : image.height - top, left : image.width - left] = True
    frame = image.pixels[~hidden]
    mean = np.float32(frame.mean()) if frame.size else np.float32(0)
    return XRay(np.where(hidden, mean, image.pixels), image.format, image.pixel_spacing)
