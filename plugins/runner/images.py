"""From whatever an author has at hand to the tensor that a network sees."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Union

import numpy as np
import torch
from numpy.typing import NDArray

from ...handlers.card import InputSpec
from ...handlers.decode import decode
from ...handlers.geometry import Affine
from ...handlers.image import XRay
from ...handlers.preprocess import preprocess

__all__ = ["ImageSource", "read_image"]

ImageSource = Union[str, "os.PathLike[str]", bytes, XRay, "NDArray[Any]", torch.Tensor]
"""A file or its bytes (PNG, JPEG, DICOM), a decoded X-ray, an array [height, width], or what the network sees."""


def read_image(image: ImageSource, spec: InputSpec) -> tuple[torch.Tensor, Affine | None]:
    """Decode and preprocess an image with the code that the server uses.

    Parameters
    ----------
    image : path, bytes, XRay, ndarray or torch.Tensor
        The path or bytes of a PNG, JPEG or DICOM file; a decoded X-ray; an array [height, width] of brightness, floats
        in [0, 1] or unsigned integers of which the largest possible is white; or a tensor [C, H, W] or [1, C, H, W]
        that is in the network's input space already and is left as it is.
    spec : InputSpec
        What the network expects.

    Returns
    -------
    tensor : torch.Tensor
        Float32, [1, C, H, W].
    affine : Affine or None
        From the tensor's grid to the image's; None where the tensor itself was given.

    Raises
    ------
    ImageError
        If a file cannot be used.
    ValueError
        If an array or tensor has another shape or type.
    """
    if isinstance(image, torch.Tensor):
        return _batch_of_one(image), None
    prepared = preprocess(_xray(image), spec)
    return torch.from_numpy(prepared.tensor.copy())[None], prepared.affine


def _xray(image: str | os.PathLike[str] | bytes | XRay | NDArray[Any]) -> XRay:
    if isinstance(image, XRay):
        return image
    if isinstance(image, np.ndarray):
        return XRay(_brightness(image), "png")
    return decode(image if isinstance(image, bytes) else Path(image).read_bytes())


def _brightness(pixels: NDArray[Any]) -> NDArray[np.float32]:
    if pixels.ndim != 2:
        raise ValueError(f"an array must have the shape [height, width], not {list(pixels.shape)}")
    if np.issubdtype(pixels.dtype, np.unsignedinteger):
        return (pixels / np.float64(np.iinfo(pixels.dtype).max)).astype(np.float32)
    if not np.issubdtype(pixels.dtype, np.floating):
        raise ValueError(f"an array must hold floats in [0, 1] or unsigned integers, not {pixels.dtype}")
    if not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError(
            "an array of floats is brightness in [0, 1]; scale it, or give what the network sees as a tensor"
        )
    return pixels.astype(np.float32)


def _batch_of_one(tensor: torch.Tensor) -> torch.Tensor:
    batch = tensor[None] if tensor.ndim == 3 else tensor
    if batch.ndim != 4 or len(batch) != 1:
        raise ValueError(f"a tensor must have the shape [C, H, W] or [1, C, H, W], not {list(tensor.shape)}")
    return batch.detach().to("cpu", torch.float32).clone()
