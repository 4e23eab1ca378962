"""The places of a map in the order of their evidence: squares, or single pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import torch

__all__ = ["Cells"]


@dataclass(frozen=True)
class Cells:
    """An image cut into squares; those at the right and lower edge are cut off where they reach over it.

    Parameters
    ----------
    height, width : int
        Of the image, pixels.
    side : int
        Of a square, pixels.
    """

    height: int
    width: int
    side: int

    @property
    def count(self) -> int:
        """Number of squares."""
        return ceil(self.height / self.side) * ceil(self.width / self.side)

    @property
    def labels(self) -> torch.Tensor:
        """The square of each pixel: int64, [height, width]."""
        rows, columns = (torch.arange(length) // self.side for length in (self.height, self.width))
        return rows[:, None] * ceil(self.width / self.side) + columns

    def means(self, heatmap: torch.Tensor) -> torch.Tensor:
        """Return the mean of a heatmap [H, W] in each square: float64, [count]."""
        labels = self.labels.flatten()
        sums = torch.zeros(self.count, dtype=torch.float64).index_add_(0, labels, heatmap.double().flatten())
        return sums / torch.bincount(labels, minlength=self.count)

    def random_orders(self, count: int, seed: int) -> torch.Tensor:
        """Draw orders of the squares: int64, [count orders, count]; more orders begin with the same ones."""
        generator = torch.Generator().manual_seed(seed)
        return torch.stack([torch.randperm(self.count, generator=generator) for _ in range(count)])

    def order_by(self, heatmap: torch.Tensor, ties: torch.Tensor) -> torch.Tensor:
        """Order the squares by a heatmap, the largest mean first.

        Parameters
        ----------
        heatmap : torch.Tensor
            [H, W]. Signs count: what speaks against the target comes last.
        ties : torch.Tensor
            An order of the squares; equal ones keep it.

        Returns
        -------
        torch.Tensor
            Int64, [count].
        """
        return ties[torch.argsort(self.means(heatmap)[ties], descending=True, stable=True)]

    def hidden(self, order: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Tell the pixels of the first squares of an order: for every count a plane, bool [len(counts), H, W]."""
        position = torch.empty_like(order)
        position[order] = torch.arange(self.count)
        return position[self.labels] < torch.tensor(list(counts))[:, None, None]
