"""Ask a guard about films, the same films changed, and pictures that are no chest X-rays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...datasets import Film
from ...handlers import XRay, preprocess
from ...handlers.guard import GUARD_INPUT, Guard
from ..film_reading import read_each
from ..progress import Progress, silent
from .changes import CHANGES
from .scores import FILM, GuardScores
from .strangers import STRANGERS, read_strangers

__all__ = ["measure_guard"]


def measure_guard(guard: Guard, films: Sequence[Film], progress: Progress = silent) -> GuardScores:
    """Score films, what can go wrong with them, and strangers.

    Parameters
    ----------
    guard : Guard
        Whose answers.
    films : sequence of Film
        Chest X-rays that took no part in fitting or calibrating it.
    progress : Progress
        Told the films that are done.

    Raises
    ------
    FilmsUnreadable
        With every film that cannot be read.
    """
    rows: list[tuple[str, str, str, str]] = []
    values: list[float] = []

    def look(image: XRay) -> list[float]:
        changed = (np.ascontiguousarray(change(image.pixels)) for change in CHANGES.values())
        images = [image, *(XRay(pixels, image.format) for pixels in changed)]
        return _unlikeness(guard, images)

    for number, (film, found) in enumerate(zip(films, read_each(films, look), strict=True), start=1):
        rows += [(kind, film.file, film.group, film.main_source) for kind in (FILM, *CHANGES)]
        values += found
        progress("guard", number, len(films))
    for kind in STRANGERS:
        for name, image in read_strangers(kind):
            rows.append((kind, name, name, ""))
            values += _unlikeness(guard, [image])
    kinds, files, groups, sources = zip(*rows, strict=True) if rows else ((), (), (), ())
    return GuardScores(guard.threshold, kinds, files, groups, sources, np.array(values))


def _unlikeness(guard: Guard, images: Sequence[XRay]) -> list[float]:
    found: list[float] = guard.unlikeness(np.stack([preprocess(one, GUARD_INPUT).tensor for one in images])).tolist()
    return found
