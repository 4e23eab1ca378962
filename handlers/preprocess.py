"""From a decoded X-ray to the tensor that a network sees.

This is the only preprocessing there is: Triton's Python model, training and the explanation workers call it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .card import InputSpec
from .geometry import Affine, fit
from .image import XRay

__all__ = ["Prepared", "preprocess"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """One X-ray as one network sees it.

    Parameters
    ----------
    tensor : ndarray of float32, shape [channels, size, size]
        ``(brightness - mean) / std``; padding has the value of black.
    affine : Affine
        From the tensor's grid to the grid of the X-ray as displayed.
    """

    tensor: NDArray[np.float32]
    affine: Affine


def preprocess(image: XRay, spec: InputSpec) -> Prepared:
    """Resize (aspect kept, antialiased), pad with black, clip to [0, 1], then standardise.

    Parameters
    ----------
    image : XRay
        Decoded image.
    spec : InputSpec
        What the network expects.

    Returns
    -------
    Prepared
        Tensor and the way back.
    """
    place = fit(image.height, image.width, spec.size)
    # Pillow's resampling widens its filter when it shrinks (antialiasing) and mode "F" keeps all bits.
    resized = Image.fromarray(np.ascontiguousarray(image.pixels, dtype=np.float32)).resize(
        (place.resized_width, place.resized_height), Image.Resampling.BILINEAR
    )
    plane = np.zeros((spec.size, spec.size), dtype=np.float32)
    rows = slice(place.top, place.top + place.resized_height)
    columns = slice(place.left, place.left + place.resized_width)
    plane[rows, columns] = np.clip(np.asarray(resized), 0.0, 1.0)
    plane -= np.float32(spec.mean)
    plane /= np.float32(spec.std)
    return Prepared(np.repeat(plane[np.newaxis], spec.channels, axis=0), place.affine)
