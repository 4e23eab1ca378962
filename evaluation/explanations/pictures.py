"""The X-rays and maps that a report shows: never part of its tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...handlers.geometry import Affine
from .boxes import Box

__all__ = ["FloatPlane", "Pictures"]

FloatPlane = NDArray[np.float32]


class Pictures(Protocol):
    """What a report may show."""

    grid: Sequence[str]
    """Files of the films that were asked for in the picture grid; empty: the report chooses."""

    def film(self, file: str) -> FloatPlane | None:
        """Return a film, float32 [H, W], 0 (black) to 1 (white), as displayed; None where it cannot be had."""

    def map(self, file: str, network: str, method: str, label: str) -> tuple[FloatPlane, Affine] | None:
        """Return a map, float32 [S, S], and the way from its pixels to the film's; None where there is none."""

    def boxes(self, file: str, label: str) -> Sequence[Box]:
        """Return where the disease of a label was marked, in pixels of the film; empty where that is not known."""
