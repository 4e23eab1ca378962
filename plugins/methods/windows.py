"""The windows of an occlusion: where they lie, and how their effects become a map."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch

__all__ = ["Windows"]


@dataclass(frozen=True)
class Windows:
    """Square windows that slide over an image.

    The first lies in the upper left corner; those at the right and lower edge are cut off where they reach over it
    (as Captum's).

    Parameters
    ----------
    height, width : int
        Size of the image, pixels.
    side : int
        Side of a window, pixels, at most the image's shorter side.
    stride : int
        Pixels from one window to the next, at most `side`.
    """

    height: int
    width: int
    side: int
    stride: int

    @property
    def grid(self) -> tuple[int, int]:
        """Number of windows along rows and columns."""
        return tuple(ceil((length - self.side) / self.stride) + 1 for length in (self.height, self.width))  # type: ignore[return-value]

    @property
    def places(self) -> float:
        """Number of windows that the image has room for, side by side."""
        return self.height * self.width / self.side**2

    def box(self, row: int, column: int) -> tuple[slice, slice]:
        """Return the rows and columns of the image that a window covers."""
        top, left = row * self.stride, column * self.stride
        return slice(top, min(top + self.side, self.height)), slice(left, min(left + self.side, self.width))

    def average(self, effects: torch.Tensor) -> torch.Tensor:
        """Give each pixel the mean effect of the windows that cover it.

        Parameters
        ----------
        effects : torch.Tensor
            Float64, [T, *grid]: what hiding each window takes from each output.

        Returns
        -------
        torch.Tensor
            Float64, [T, height, width].
        """
        count = self._cover(torch.ones_like(effects[:1]))
        return self._cover(effects) / count

    def _cover(self, values: torch.Tensor) -> torch.Tensor:
        """Sum over the windows that cover each pixel, in two running sums rather than a loop over windows."""
        for dim, length in ((1, self.height), (2, self.width)):
            starts = torch.arange(values.shape[dim]) * self.stride
            ends = (starts + self.side).clamp(max=length)
            shape = list(values.shape)
            shape[dim] = length + 1
            steps = torch.zeros(shape, dtype=values.dtype)
            steps.index_add_(dim, starts, values)
            steps.index_add_(dim, ends, -values)
            values = steps.cumsum(dim).narrow(dim, 0, length)
        return values
