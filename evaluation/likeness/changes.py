"""What can go wrong with a chest X-ray on its way: it is inverted, turned, mirrored or cropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHANGES"]

Change: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def _part(top: float, left: float, side: float) -> Change:
    """Cut out a part: where it begins and how much of each side it has, as shares of the film."""

    def cut(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = pixels.shape
        rows = slice(round(top * height), max(round((top + side) * height), round(top * height) + 1))
        columns = slice(round(left * width), max(round((left + side) * width), round(left * width) + 1))
        return pixels[rows, columns]

    return cut


CHANGES: Mapping[str, Change] = {
    "inverted": lambda pixels: 1 - pixels,
    "turned a quarter to the left": lambda pixels: np.rot90(pixels),
    "turned upside down": lambda pixels: np.rot90(pixels, 2),
    "turned a quarter to the right": lambda pixels: np.rot90(pixels, 3),
    "mirrored top to bottom": lambda pixels: pixels[::-1],
    "mirrored left to right": lambda pixels: pixels[:, ::-1],
    "upper half": lambda pixels: pixels[: -(-len(pixels) // 2)],
    "lower half": lambda pixels: pixels[len(pixels) // 2 :],
    "upper left quarter": _part(0, 0, 0.5),
    "lower right quarter": _part(0.5, 0.5, 0.5),
    "middle, 60 % of each side": _part(0.2, 0.2, 0.6),
    "middle, 40 % of each side": _part(0.3, 0.3, 0.4),
}
"""By name, from the pixels of a film, ``[H, W]``, to those of the changed one."""
