"""What can be known of a film without knowing medicine: a few numbers and 16 x 16 pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...datasets import Film
from ...handlers import InputSpec, XRay, preprocess
from ..film_reading import read_each
from ..progress import Progress, silent
from .hidden_centre import hide_centre

__all__ = ["SIDE", "Glance", "glance_at"]

SIDE = 16
"""Side of thumbnails, pixels."""

_CROP = 0.9
"""Side of the square crop, as a share of the film's shorter side: without the edges, so that it shows no shape."""


@dataclass(frozen=True, eq=False)
class Glance:
    """A film as a predictor that knows no medicine sees it.

    Parameters
    ----------
    film : Film
        With its source, view and patient.
    shape : tuple of int
        Height and width of the original in pixels; of the file, where the manifest does not tell.
    brightness : float
        Mean of the central square crop, 0 to 1.
    crop : ndarray of float32, shape [SIDE, SIDE]
        The central square of nine tenths of the shorter side.
    whole : ndarray of float32, shape [SIDE, SIDE]
        The film as networks get it: aspect kept, padded with black.
    frame : ndarray of float32, shape [SIDE, SIDE]
        The same with its centre hidden.
    """

    film: Film
    shape: tuple[int, int]
    brightness: float
    crop: NDArray[np.float32]
    whole: NDArray[np.float32]
    frame: NDArray[np.float32]


def glance_at(films: Iterable[Film], progress: Progress = silent) -> dict[str, Glance]:
    """Decode films, each once, and keep a glance of each.

    Parameters
    ----------
    films : iterable of Film
        Which; one that comes several times is decoded once.
    progress : callable
        Told how many are done.

    Returns
    -------
    dict of str to Glance
        By `Film.file`.

    Raises
    ------
    FilmsUnreadable
        With every film that cannot be read.
    """
    wanted: Mapping[str, Film] = {film.file: film for film in films}
    glances = {}
    for done, (film, seen) in enumerate(zip(wanted.values(), read_each(list(wanted.values()), _look), strict=True), 1):
        height, width, brightness, crop, whole, frame = seen
        shape = (film.height or height, film.width or width)
        glances[film.file] = Glance(film, shape, brightness, crop, whole, frame)
        progress("glances", done, len(wanted))
    return glances


_Plane = NDArray[np.float32]


def _look(image: XRay) -> tuple[int, int, float, _Plane, _Plane, _Plane]:
    side = max(1, round(_CROP * min(image.height, image.width)))
    top, left = (image.height - side) // 2, (image.width - side) // 2
    square = np.ascontiguousarray(image.pixels[top : top + side, left : left + side])
    crop = np.asarray(Image.fromarray(square).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    spec = InputSpec(size=SIDE)
    whole, frame = (preprocess(one, spec).tensor[0] for one in (image, hide_centre(image)))
    return image.height, image.width, float(square.mean()), crop, whole, frame
