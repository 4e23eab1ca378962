"""Group means of one layer's activations, and its dead maps, over any number of films in constant memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from .places import Place

__all__ = ["CONSTANT", "LayerSums", "Shift"]

CONSTANT = 1e-30
"""A map is constant on an image whose largest and smallest value differ by no more: the rule of arXiv:2006.02570."""
_ROUNDING = 1e-6
"""Share of a map's largest value by which the same computation may differ between two batches."""

_SHARES = 1e-6  # by which the shares of a patient's films do not add up to 1

Shift = tuple[int, int]
"""Rows and columns by which a film's maps are moved."""


class LayerSums:
    """What is kept of one layer: sums in float64, and extremes.

    Parameters
    ----------
    place : Place
        Which.
    groups : int
        How many groups.
    """

    def __init__(self, place: Place, groups: int) -> None:
        self.place = place
        self._sums = torch.zeros((groups, *place.shape), dtype=torch.float64)
        self._weights = torch.zeros((groups, 1, place.height, place.width), dtype=torch.float64)
        self._lowest = torch.full(place.shape, torch.inf)
        self._highest = torch.full(place.shape, -torch.inf)
        self._spread = torch.zeros(place.channels)

    def add(
        self,
        activations: torch.Tensor,
        weights: torch.Tensor,
        shifts: Sequence[Sequence[Shift]] | None = None,
    ) -> None:
        """Add a batch.

        Parameters
        ----------
        activations : torch.Tensor of float32, shape [batch, channels, height, width]
            Of this layer; channels beyond those of the place are copies and ignored.
        weights : torch.Tensor of float64, shape [batch, groups]
            What each film weighs in each group.
        shifts : sequence, optional
            By film, then by group: how far its maps are moved. What is moved in from outside counts for nothing.
        """
        maps = activations.detach()[:, : self.place.channels]
        flat = maps.flatten(2)
        self._spread = torch.maximum(self._spread, (flat.amax(2) - flat.amin(2)).amax(0))
        self._lowest = torch.minimum(self._lowest, maps.amin(0))
        self._highest = torch.maximum(self._highest, maps.amax(0))
        if shifts is None:
            self._sums += torch.einsum("bg,bchw->gchw", weights, maps.double())
            self._weights += weights.sum(0)[:, None, None, None]
            return
        for film, of_groups in zip(range(len(maps)), shifts, strict=True):
            for group, (down, right) in enumerate(of_groups):
                if weight := float(weights[film, group]):
                    rows, from_rows = _overlap(down, self.place.height)
                    columns, from_columns = _overlap(right, self.place.width)
                    moved = maps[film, :, from_rows, from_columns].double()
                    self._sums[group, :, rows, columns] += weight * moved
                    self._weights[group, :, rows, columns] += weight

    def means(self, fewest: int = 0) -> NDArray[np.float32]:
        """Return the mean activations, float32 ``[groups, channels, height, width]``.

        Where no film of a group has a value at a place (after shifts alone), or films that weigh less than `fewest`
        patients, the mean over the groups that have one stands there, so that its contrast is 0; where no group has
        one, 0.
        """
        seen = (self._weights > 0) & (self._weights >= fewest - _SHARES)
        means = torch.where(seen, self._sums / self._weights.clamp(min=1e-300), 0.0)
        if not bool(seen.all()):
            others = means.sum(0) / seen.sum(0).clamp(min=1)
            means = torch.where(seen, means, others)
        return np.asarray(means.float().numpy(), dtype=np.float32)

    def constant(self) -> tuple[int, ...]:
        """Return the maps that are constant on every image; of maps of one pixel, which say nothing of it, none."""
        if self.place.height * self.place.width == 1:
            return ()
        return _places(self._spread <= CONSTANT)

    def unvarying(self) -> tuple[int, ...]:
        """Return the maps that have, at every place, the same value on all films, but for rounding."""
        largest = torch.maximum(self._lowest.abs(), self._highest.abs()).flatten(1).amax(1)
        ranges = (self._highest - self._lowest).flatten(1).amax(1)
        return _places(ranges <= torch.maximum(_ROUNDING * largest, torch.tensor(CONSTANT)))


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """Return where moved values go to and come from, along one axis."""
    return slice(max(shift, 0), size + min(shift, 0)), slice(max(-shift, 0), size + min(-shift, 0))


def _places(mask: torch.Tensor) -> tuple[int, ...]:
    return tuple(int(number) for number in torch.nonzero(mask).flatten())
