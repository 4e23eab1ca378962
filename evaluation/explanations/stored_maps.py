"""The maps that an audit kept, and its X-rays, as a report and what follows from maps need them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...datasets import DataSet
from ...handlers import Affine, ImageError, decode
from .boxes import Box
from .pictures import FloatPlane
from .records import FilmMaps, film_id, read_maps
from .truths import read_truths

__all__ = ["StoredMaps"]


class StoredMaps:
    """Reads films and maps where they lie (a `Pictures`); the last film's maps are kept in memory.

    Parameters
    ----------
    folder : Path
        ``maps`` in the folder of the audit.
    data_set : DataSet, optional
        Where each film's image is, and what is marked on it. None: films cannot be shown.
    grid : sequence of str
        Files of the films that were asked for in the picture grid.
    """

    def __init__(self, folder: Path, data_set: DataSet | None, grid: Sequence[str] = ()) -> None:
        self.grid: Sequence[str] = tuple(grid)
        self._folder = folder
        self._data_set = data_set
        self._films = {} if data_set is None else {film.file: film for film in data_set.films}
        self._last: tuple[str, FilmMaps | None] | None = None

    def film(self, file: str) -> FloatPlane | None:
        """Return a film, float32 [H, W], 0 (black) to 1 (white), as displayed; None where it cannot be had."""
        film = self._films.get(file)
        if film is None:
            return None
        try:
            return decode(film.path.read_bytes()).pixels
        except (OSError, ImageError):
            return None

    def map(self, file: str, network: str, method: str, label: str) -> tuple[FloatPlane, Affine] | None:
        """Return a map, float32 [S, S], and the way from its pixels to the film's; None where there is none."""
        stored = self.of(file)
        values = None if stored is None else stored.maps.get((network, method, label))
        return None if stored is None or values is None else (values, stored.affines[network])

    def boxes(self, file: str, label: str) -> Sequence[Box]:
        """Return where the disease of a label was marked, in pixels of the film; empty where that is not known."""
        film = self._films.get(file)
        if self._data_set is None or film is None:
            return ()
        return read_truths(self._data_set.path, [film]).boxes.get(file, {}).get(label, ())

    def of(self, file: str) -> FilmMaps | None:
        """Return all maps of a film; None where they are not there or damaged."""
        if self._last is None or self._last[0] != file:
            try:
                self._last = file, read_maps(self._folder / f"{film_id(file)}.npz")
            except (OSError, ValueError):
                self._last = file, None
        return self._last[1]
