"""How an image is fitted into a network's square, and the way back.

Coordinates are continuous: pixel (row 0, column 0) covers the square from 0 to 1 and has its centre at 0.5.
"Original" is the grid of the decoded :class:`~radiolucent.handlers.image.XRay`, the image as displayed.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Affine", "Fit", "fit"]


@dataclass(frozen=True)
class Affine:
    """Map from a network's input grid to the original pixel grid: ``original = scale * input + offset``.

    Parameters
    ----------
    scale_x, scale_y : float
        Original pixels per input pixel, along columns (x) and rows (y).
    offset_x, offset_y : float
        Original coordinates of the input's upper left corner; negative where the input is padded.
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    def to_original(self, x: float, y: float) -> tuple[float, float]:
        """Take a point of the input to the original.

        Parameters
        ----------
        x, y : float
            Continuous input coordinates (column, row).

        Returns
        -------
        tuple of float
            Continuous original coordinates (column, row); outside the image for points of the padding.
        """
        return self.scale_x * x + self.offset_x, self.scale_y * y + self.offset_y

    def to_input(self, x: float, y: float) -> tuple[float, float]:
        """Take a point of the original to the input.

        Parameters
        ----------
        x, y : float
            Continuous original coordinates (column, row).

        Returns
        -------
        tuple of float
            Continuous input coordinates (column, row).
        """
        return (x - self.offset_x) / self.scale_x, (y - self.offset_y) / self.scale_y


@dataclass(frozen=True)
class Fit:
    """Where an image lies in a network's square.

    Parameters
    ----------
    resized_height, resized_width : int
        Size of the resized image, in input pixels.
    top, left : int
        Rows above it and columns left of it that are padding.
    affine : Affine
        From the square back to the image.
    """

    resized_height: int
    resized_width: int
    top: int
    left: int
    affine: Affine


def fit(height: int, width: int, size: int) -> Fit:
    """Fit an image into a square: aspect kept (to the rounding of a pixel), longer side filled, centred.

    Parameters
    ----------
    height, width : int
        Size of the image, at least 1.
    size : int
        Side of the square, at least 1.

    Returns
    -------
    Fit
        Size and place in the square, and the way back.
    """
    if height < 1 or width < 1 or size < 1:
        raise ValueError(f"sizes must be at least 1, got {height} x {width} into {size}")
    longest = max(height, width)
    resized_height = max(1, round(height * size / longest))
    resized_width = max(1, round(width * size / longest))
    top = (size - resized_height) // 2
    left = (size - resized_width) // 2
    scale_x = width / resized_width
    scale_y = height / resized_height
    return Fit(resized_height, resized_width, top, left, Affine(scale_x, scale_y, -left * scale_x, -top * scale_y))
