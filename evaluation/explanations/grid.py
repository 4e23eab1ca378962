"""The one grid on which maps of all networks are compared with each other and with what is known of the film.

Fixed beforehand, for all: the film fitted into a square of `SIDE` pixels, as a network's input is, padding left out.
Networks differ in their input (128 to 512 pixels, say); on their own grids a share of pixels, a rank correlation or a
threshold would not be the same question for each. 224 is the usual input of these networks: coarser inputs lose
nothing there, a lesion of one tenth of the film is still 22 pixels wide, and 50,000 values can be ranked in
milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...handlers.geometry import Fit, fit
from .boxes import Box

__all__ = ["SIDE", "BoolPlane", "FilmGrid", "FloatPlane"]

SIDE = 224
"""Side of the square, in cells."""

BoolPlane = NDArray[np.bool_]
FloatPlane = NDArray[np.float32]


@dataclass(frozen=True)
class FilmGrid:
    """The film's part of the common square: ``[rows, columns]`` cells that tile the film, and no padding.

    Parameters
    ----------
    height, width : int
        Of the film, in its own pixels.
    side : int
        Of the square, in cells.
    """

    height: int
    width: int
    side: int = SIDE

    @property
    def place(self) -> Fit:
        """Where the film lies in the square."""
        return fit(self.height, self.width, self.side)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        place = self.place
        return place.resized_height, place.resized_width

    def sample(self, mask: NDArray[np.generic]) -> NDArray[np.generic]:
        """Bring a picture of the film to the grid: each cell has the value at its centre.

        Parameters
        ----------
        mask : ndarray, shape [H, W]
            Covers the film, at any resolution.

        Returns
        -------
        ndarray, shape [rows, columns]
            Of the same type.
        """
        rows, columns = (_centres(cells, extent) for cells, extent in zip(self.shape, mask.shape, strict=True))
        return np.asarray(mask[rows.astype(int)][:, columns.astype(int)])

    def draw(self, boxes: Iterable[Box], height: float, width: float) -> BoolPlane:
        """Return which cells have their centre in a box.

        Parameters
        ----------
        boxes : iterable of Box
            In pixels of a picture of the film.
        height, width : float
            Of that picture.

        Returns
        -------
        ndarray of bool, shape [rows, columns]
            True inside.
        """
        rows, columns = _centres(self.shape[0], height), _centres(self.shape[1], width)
        drawn: BoolPlane = np.zeros(self.shape, dtype=bool)
        for box in boxes:
            inside_rows = (rows >= box.y) & (rows < box.y + box.height)
            drawn |= np.logical_and.outer(inside_rows, (columns >= box.x) & (columns < box.x + box.width))
        return drawn

    def to_square(self, plane: NDArray[np.generic]) -> FloatPlane:
        """Put a plane of this grid into the square, float32 ``[side, side]``; padding is 0."""
        square = np.zeros((self.side, self.side), dtype=np.float32)
        square[self._part] = plane
        return square

    def of_square(self, square: FloatPlane) -> FloatPlane:
        """Cut the film's part ``[rows, columns]`` out of a plane ``[side, side]`` of the square."""
        return square[self._part]

    @property
    def _part(self) -> tuple[slice, slice]:
        place = self.place
        return (
            slice(place.top, place.top + place.resized_height),
            slice(place.left, place.left + place.resized_width),
        )


def _centres(cells: int, extent: float) -> NDArray[np.float64]:
    """Return the centres of cells that tile ``[0, extent)``."""
    return np.asarray((np.arange(cells) + 0.5) * (extent / cells))
