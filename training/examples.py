"""What a network can be trained on: labelled X-rays in three splits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from ..datasets import SPLITS, DataSet, Film, ManifestError, Split, make_labels
from ..handlers.card import Label
from ..handlers.decode import decode
from ..handlers.errors import ImageError
from ..handlers.image import XRay
from .phantoms import PHANTOM_LABELS, draw_phantom

__all__ = ["DataSetExamples", "Examples", "PhantomExamples"]


_SERIES = 1_000_000_000
"""Series of training films start here, so that `radiolucent phantoms` never draws one of them."""


class Examples(Protocol):
    """Labelled X-rays."""

    @property
    def name(self) -> str:
        """How a model card calls the data."""

    @property
    def checksum(self) -> str:
        """SHA-256 that changes when the data does."""

    @property
    def labels(self) -> tuple[Label, ...]:
        """Labels with their hierarchy, in the order of the logits."""

    def count(self, split: Split) -> int:
        """Return how many X-rays a split has."""

    def names(self, split: Split) -> tuple[tuple[str, str], ...]:
        """Return file and group of each X-ray of a split."""

    def load(self, split: Split, index: int) -> tuple[XRay, Mapping[str, bool]]:
        """Return one X-ray and which labels are known to be true or false.

        Raises
        ------
        ManifestError
            If it cannot be decoded.
        """

    def licences(self) -> Mapping[str, int]:
        """Return how many training films are under each licence."""


@dataclass(frozen=True)
class DataSetExamples:
    """The X-rays of a manifest.

    Parameters
    ----------
    data : DataSet
        As it was read.
    """

    data: DataSet

    @property
    def name(self) -> str:
        """How a model card calls the data."""
        return self.data.name

    @property
    def checksum(self) -> str:
        """SHA-256 of the manifest."""
        return self.data.checksum

    @property
    def labels(self) -> tuple[Label, ...]:
        """Labels of the manifest."""
        return self.data.labels

    def count(self, split: Split) -> int:
        """Return how many films a split has."""
        return len(self._films[split])

    def names(self, split: Split) -> tuple[tuple[str, str], ...]:
        """Return file and group of each film of a split."""
        return tuple((film.file, film.group) for film in self._films[split])

    def load(self, split: Split, index: int) -> tuple[XRay, Mapping[str, bool]]:
        """Decode one film."""
        film = self._films[split][index]
        try:
            return decode(film.path.read_bytes()), film.known
        except (ImageError, OSError) as error:
            where = f"line {film.line}: " if film.line else ""
            raise ManifestError(self.data.path, [f"{where}file {film.file!r}: {error}"]) from error

    def licences(self) -> Mapping[str, int]:
        """Return how many training films are under each licence; ``unknown`` where the manifest does not tell."""
        found: dict[str, int] = {}
        for film in self._films["train"]:
            name = film.licence or "unknown"
            found[name] = found.get(name, 0) + 1
        return found

    @cached_property
    def _films(self) -> Mapping[Split, tuple[Film, ...]]:
        return {split: self.data.of(split) for split in SPLITS}


@dataclass(frozen=True)
class PhantomExamples:
    """Chest phantoms, drawn as they are asked for.

    Parameters
    ----------
    seed : int
        Of the whole series. Splits draw from series of their own, so that no film is in two of them.
    counts : mapping of str to int
        Phantoms per split.
    """

    seed: int
    counts: Mapping[Split, int] = field(default_factory=lambda: {"train": 1400, "val": 200, "test": 300})

    @property
    def name(self) -> str:
        """How a model card calls the data."""
        return "chest phantoms (generated; no patient)"

    @property
    def checksum(self) -> str:
        """SHA-256 of the first film, the seed and the counts: changes when the generator does."""
        digest = hashlib.sha256(draw_phantom(self._series("train"), 0).pixels.tobytes())
        digest.update(repr((self.seed, sorted(self.counts.items()))).encode())
        return digest.hexdigest()

    @property
    def labels(self) -> tuple[Label, ...]:
        """Labels of the phantoms."""
        names = {name: parent for name, parent in PHANTOM_LABELS.items() if parent is not None}
        return make_labels(tuple(PHANTOM_LABELS), names)

    def count(self, split: Split) -> int:
        """Return how many phantoms a split has."""
        return self.counts[split]

    def names(self, split: Split) -> tuple[tuple[str, str], ...]:
        """Return series and number of each phantom; each is a group of its own."""
        names = (f"phantom {self._series(split)}/{index}" for index in range(self.counts[split]))
        return tuple((name, name) for name in names)

    def load(self, split: Split, index: int) -> tuple[XRay, Mapping[str, bool]]:
        """Draw one phantom, as its 8-bit PNG would be decoded."""
        phantom = draw_phantom(self._series(split), index)
        known = {name: name in phantom.labels for name in PHANTOM_LABELS}
        return XRay(phantom.pixels.astype(np.float32) / np.float32(255), "png"), known

    def licences(self) -> Mapping[str, int]:
        """Return none: phantoms are generated."""
        return {}

    def _series(self, split: Split) -> int:
        return _SERIES + 3 * self.seed + SPLITS.index(split)
