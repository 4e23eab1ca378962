"""The maps that an audit kept, and its X-rays, as a report and what follows from maps need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...handlers import Affine, ImageError, decode
from .pictures import FloatPlane
from .records import FilmMaps, film_id, read_maps

__all__ = ["StoredMaps"]


class StoredMaps:
    """Reads films and maps where they lie (a `Pictures`); the last film's maps are kept in memory.

    Parameters
    ----------
    folder : Path
        ``maps`` in the folder of the audit.
    images : mapping of str to Path
        Where each film's image is.
    grid : sequence of str
        Files of the films that were asked for in the picture grid.
    """

    def __init__(self, folder: Path, images: Mapping[str, Path], grid: Sequence[str] = ()) -> None:
        self.grid: Sequence[str] = tuple(grid)
        self._folder = folder
        self._images = images
        self._last: tuple[str, FilmMaps | None] | None = None

    def film(self, file: str) -> FloatPlane | None:
        """Return a film, float32 [H, W], 0 (black) to 1 (white), as displayed; None where it cannot be had."""
        path = self._images.get(file)
        if path is None:
            return None
        try:
            return decode(path.read_bytes()).pixels
        except (OSError, ImageError):
            return None

    def map(self, file: str, network: str, method: str, label: str) -> tuple[FloatPlane, Affine] | None:
        """Return a map, float32 [S, S], and the way from its pixels to the film's; None where there is none."""
        stored = self.of(file)
        values = None if stored is None else stored.maps.get((network, method, label))
        return None if stored is None or values is None else (values, stored.affines[network])

    def of(self, file: str) -> FilmMaps | None:
        """Return all maps of a film; None where they are not there or damaged."""
        if self._last is None or self._last[0] != file:
            try:
                self._last = file, read_maps(self._folder / f"{film_id(file)}.npz")
            except (OSError, ValueError):
                self._last = file, None
        return self._last[1]
