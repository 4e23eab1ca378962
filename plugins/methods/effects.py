"""What hiding each window takes from outputs, as far as it was computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..contract import Attribution
from ..observed import ObservedModel
from .windows import Windows

__all__ = ["Effects"]


class Effects:
    """The effects of windows on outputs of a network, computed in any order; all targets share every window.

    Parameters
    ----------
    model : ObservedModel
        The network.
    image : torch.Tensor
        [1, C, H, W].
    replacement : torch.Tensor
        As large: what the windows show.
    windows : Windows
        Where they lie.
    targets : sequence of int
        The outputs.
    batch_size : int
        Bounds the memory, as in :meth:`ObservedModel.windowed`.

    Attributes
    ----------
    outputs : torch.Tensor
        Float64, [T]: those of the image itself.
    values : torch.Tensor
        Float64, [T, *grid]: how much less the output is behind the window; zero where it is not known yet.
    known : torch.Tensor
        Bool, [*grid].
    """

    def __init__(
        self,
        model: ObservedModel,
        image: torch.Tensor,
        replacement: torch.Tensor,
        windows: Windows,
        targets: Sequence[int],
        batch_size: int,
    ) -> None:
        self._model = model
        self._image = image
        self._replacement = replacement
        self._windows = windows
        self._targets = list(targets)
        self._batch_size = batch_size
        self.outputs = model.unchanged(image)[0, self._targets].double()
        self.values = torch.zeros(len(self._targets), *windows.grid, dtype=torch.float64)
        self.known = torch.zeros(windows.grid, dtype=torch.bool)

    def compute(self, cells: NDArray[np.int64]) -> Iterator[int]:
        """Compute the effects of some windows, and yield how many of them as they come.

        Parameters
        ----------
        cells : ndarray of int64, shape [N, 2]
            Row and column of each in the grid.
        """
        boxes = [self._windows.box(row, column) for row, column in cells.tolist()]
        for some, outputs in self._model.windowed(self._image, self._replacement, boxes, self._batch_size):
            rows, columns = cells[some, 0], cells[some, 1]
            self.values[:, rows, columns] = (self.outputs - outputs[:, self._targets].double()).T
            self.known[rows, columns] = True
            yield len(some)

    def attributions(
        self,
        maps: torch.Tensor,
        fraction: float,
        *,
        final: bool,
        facts: Sequence[Mapping[str, float]] = (),
    ) -> Iterator[Attribution]:
        """Yield a map for each target.

        Parameters
        ----------
        maps : torch.Tensor
            [T, H, W].
        fraction : float
            Of the work that went into them.
        final : bool
            Whether they are the last.
        facts : sequence of mapping of str to float, optional
            About each.
        """
        channels = self._image.shape[1:]
        for position, (target, plane) in enumerate(zip(self._targets, maps.float(), strict=True)):
            found = facts[position] if facts else {}
            yield Attribution(target, plane.expand(channels).clone(), fraction, final, facts=found)
