"""Colour to brightness."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["luminance"]

_WEIGHTS = (0.299, 0.587, 0.114)
"""Of red, green and blue: ITU-R BT.601."""


def luminance(channels: NDArray[Any], white: float) -> NDArray[np.float32]:
    """Reduce grey, grey + alpha, RGB or RGBA to one plane; what is transparent shows black behind it.

    Parameters
    ----------
    channels : ndarray of unsigned integers, shape [height, width] or [height, width, 1 to 4]
        Channels last.
    white : float
        The value of full brightness and of full opacity.

    Returns
    -------
    ndarray of float32, shape [height, width]
        Brightness, 0 to 1.
    """
    if channels.ndim == 2:
        channels = channels[..., np.newaxis]
    count = channels.shape[2]
    if count < 3:
        plane = channels[..., 0].astype(np.float32)
    else:
        plane = channels[..., 0] * np.float32(_WEIGHTS[0])
        for i in (1, 2):
            plane += channels[..., i] * np.float32(_WEIGHTS[i])
    plane /= np.float32(white)
    if count in (2, 4):
        plane *= channels[..., -1] / np.float32(white)
    return np.clip(plane, 0, 1, out=plane)
