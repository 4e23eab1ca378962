"""How well a heatmap points at a known lesion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..handlers.placing import on_input_grid

__all__ = ["Pointing", "average_mask", "on_input_grid", "pointing"]

BoolPlane = NDArray[np.bool_]
FloatPlane = NDArray[np.float32]


@dataclass(frozen=True)
class Pointing:
    """How well one map points at one mask.

    Attributes
    ----------
    average_precision
        Area under the precision-recall curve of the map's pixels as a detector of the mask's, in [0, 1].
        A random order scores `area` in expectation.
    mass_inside
        Share of the map's magnitude inside the mask, in [0, 1]. A constant map scores `area`.
    hit
        Whether the strongest pixel lies inside (the pointing game).
    area
        Share of the image that the mask covers, in [0, 1].
    """

    average_precision: float
    mass_inside: float
    hit: bool
    area: float


def pointing(heatmap: FloatPlane, mask: BoolPlane, inside: BoolPlane) -> Pointing:
    """Measure how well a map points at a mask. The sign rule: evidence for the label, so negative values count as 0.

    Parameters
    ----------
    heatmap
        Map in the network's input space, [S, S].
    mask
        Where the lesion lies, same grid.
    inside
        Where the input shows the image, same grid; padding is left out.

    Returns
    -------
    Pointing
        The measures.

    Raises
    ------
    ValueError
        If the mask is empty: nothing can be pointed at.
    """
    from sklearn.metrics import average_precision_score

    truth = mask[inside]
    if not truth.any():
        raise ValueError("the mask is empty")
    evidence = np.clip(heatmap[inside].astype(np.float64), 0, None)
    total = evidence.sum()
    return Pointing(
        average_precision=float(average_precision_score(truth, evidence)),
        mass_inside=float(evidence[truth].sum() / total) if total > 0 else 0.0,
        hit=bool(truth[int(evidence.argmax())]),
        area=float(truth.mean()),
    )


def average_mask(masks: list[NDArray[np.generic]], size: int) -> FloatPlane:
    """Return the mean of masks on a network's input grid: the map that knows the population and not the film.

    Parameters
    ----------
    masks
        Masks of training films, each on its own original grid; at least one.
    size
        Side of the input, in pixels.
    """
    return np.asarray(np.mean([on_input_grid(mask, size)[0] for mask in masks], axis=0), dtype=np.float32)
