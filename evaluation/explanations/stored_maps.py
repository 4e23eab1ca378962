"""The maps that an audit kept, and its X-rays, as a report shows them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...handlers import Affine, decode
from .records import MapName, film_id, read_maps

__all__ = ["StoredMaps"]


class StoredMaps:
    """Reads films and maps where they lie; the last film's maps are kept in memory.

    Parameters
    ----------
    folder : Path
        ``maps`` in the folder of the audit.
    images : mapping of str to Path
        Where each film's image is.
    signed : mapping of str to bool
        By method: whether negative values speak against the label.
    """

    def __init__(self, folder: Path, images: Mapping[str, Path], signed: Mapping[str, bool]) -> None:
        self._folder = folder
        self._images = images
        self._signed = signed
        self._last: tuple[str, dict[MapName, NDArray[np.float32]], dict[str, Affine]] = ("", {}, {})

    def film(self, file: str) -> NDArray[np.uint8]:
        """Return an X-ray as displayed, uint8 [height, width].

        Raises
        ------
        OSError, ImageError
            If it cannot be read.
        """
        pixels = decode(self._images[file].read_bytes()).pixels
        return np.rint(pixels * 255).astype(np.uint8)

    def heatmap(self, file: str, network: str, method: str, label: str) -> tuple[NDArray[np.float32], Affine, bool] | None:
        """Return a map [S, S], the way from its pixels to the film's, and its sign; None where there is none."""
        maps, affines = self.of(file)
        values = maps.get((network, method, label))
        if values is None or network not in affines:
            return None
        return values, affines[network], self._signed.get(method, True)

    def of(self, file: str) -> tuple[dict[MapName, NDArray[np.float32]], dict[str, Affine]]:
        """Return all maps of a film by network, method and label, and the affines by network; none if it has none."""
        if self._last[0] != file:
            try:
                self._last = (file, *read_maps(self._folder / f"{film_id(file)}.npz"))
            except (OSError, ValueError):
                self._last = (file, {}, {})
        return self._last[1], self._last[2]
