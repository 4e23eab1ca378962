"""The picture in whose pixels a film's boxes and masks are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...datasets import Film
from ...datasets.readers.values import number
from ...handlers.decode import decode, inspect
from ...handlers.errors import ImageError
from .boxes import Box
from .errors import TruthError
from .grid import FilmGrid

__all__ = ["Frame", "read_frame", "read_mask"]


@dataclass(frozen=True)
class Frame:
    """A picture of a film, and the film's part of the common grid.

    Parameters
    ----------
    height, width : int
        Of the picture, in pixels.
    grid : FilmGrid
        Of the film, which may be larger than the picture.
    """

    height: int
    width: int
    grid: FilmGrid

    def on_film(self, box: Box) -> Box:
        """Return a box of the picture in pixels of the film."""
        wider, higher = self.grid.width / self.width, self.grid.height / self.height
        return Box(box.label, box.x * wider, box.y * higher, box.width * wider, box.height * higher)


def read_frame(film: Film, cells: Mapping[str, str], side: int) -> Frame:
    """Find the picture that a row of a manifest means.

    Parameters
    ----------
    film : Film
        Its file tells the film's size.
    cells : mapping of str to str
        The row; ``width`` and ``height`` are the picture's size, and ``scale`` how much smaller it is than the
        original.
    side : int
        Of the common grid.

    Returns
    -------
    Frame
        The film itself where the row tells no size.

    Raises
    ------
    TruthError
        If the film cannot be read, or is neither that picture nor its original: boxes would be elsewhere.
    """
    try:
        header = inspect(film.path.read_bytes())
    except OSError as error:
        raise TruthError(f"the film cannot be read: {error.strerror}") from error
    except ImageError as error:
        raise TruthError(f"the film cannot be read: {error}") from error
    grid = FilmGrid(header.height, header.width, side)
    width, height = number(cells, "width"), number(cells, "height")
    if width is None or height is None:
        return Frame(header.height, header.width, grid)
    scale = _scale(cells)
    close = 1 / scale + 1  # what rounding the picture's size leaves open
    apart = max(abs(width / scale - header.width), abs(height / scale - header.height))
    original = scale < 1 and apart <= close
    if (width, height) != (header.width, header.height) and not original:
        raise TruthError(f"the manifest says {width} x {height} pixels, the film has {header.width} x {header.height}")
    return Frame(height, width, grid)


def read_mask(path: Path, frame: Frame) -> NDArray[np.uint8]:
    """Read a mask, uint8 ``[H, W]``.

    Parameters
    ----------
    path : Path
        A PNG of 8 bits.
    frame : Frame
        Whose size it must have.

    Raises
    ------
    TruthError
        If it cannot be read, or does not fit.
    """
    try:
        image = decode(path.read_bytes())
    except OSError as error:
        raise TruthError(f"the mask {path.name} cannot be read: {error.strerror}") from error
    except ImageError as error:
        raise TruthError(f"the mask {path.name} cannot be read: {error}") from error
    if (image.height, image.width) != (frame.height, frame.width):
        raise TruthError(
            f"the mask {path.name} does not fit: it has {image.width} x {image.height} pixels, the film "
            f"{frame.width} x {frame.height}"
        )
    return np.asarray(np.rint(image.pixels * 255), dtype=np.uint8)


def _scale(cells: Mapping[str, str]) -> float:
    try:
        scale = float(cells.get("scale", ""))
    except ValueError:
        return 1.0
    return scale if 0 < scale < 1 else 1.0
