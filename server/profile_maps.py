"""The strongest feature maps of a layer, as many as may be sent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..handlers.profile import ProfileLayer

__all__ = ["MOST_LAYER_BYTES", "MOST_MAPS", "USUAL_MAPS", "StrongestMaps", "strongest_maps"]

MOST_MAPS = 100
"""Of a layer, in one answer."""
USUAL_MAPS = 10
"""Where the caller does not say."""
MOST_LAYER_BYTES = 64 * 2**20
"""Of a message with a layer: half of what the Python client takes."""


@dataclass(frozen=True)
class StrongestMaps:
    """The strongest feature maps of a layer.

    Attributes
    ----------
    layer
        Name of the layer.
    channels
        Numbers of the maps, the largest mean absolute contrast first.
    contrasts
        Mean activation by group minus the mean over groups, float32 [groups, channels, height, width].
    means
        Mean activation over groups, float32 [channels, height, width].
    """

    layer: str
    channels: tuple[int, ...]
    contrasts: NDArray[np.float32]
    means: NDArray[np.float32]


def strongest_maps(layer: ProfileLayer, planes: NDArray[np.float32], count: int) -> StrongestMaps:
    """Choose the strongest maps of a layer.

    Parameters
    ----------
    layer
        The layer.
    planes
        Mean activations, float32 [groups, channels, height, width].
    count
        How many; fewer where they are more than `MOST_LAYER_BYTES`, one at least.
    """
    groups = len(planes)
    fitting = MOST_LAYER_BYTES // (4 * (groups + 1) * layer.height * layer.width)
    channels = layer.order[: min(count, max(1, fitting))]
    chosen = planes[:, list(channels)]
    means = chosen.mean(axis=0, dtype=np.float64)
    return StrongestMaps(
        layer.name, channels, (chosen - means).astype(np.float32, copy=False), means.astype(np.float32, copy=False)
    )
