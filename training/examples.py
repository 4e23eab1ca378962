"""What a network can be trained on: labelled X-rays in three splits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ..datasets import SPLITS, DataSet, ManifestError, Split, make_labels
from ..handlers.card import Label
from ..handlers.decode import decode
from ..handlers.errors import ImageError
from ..handlers.image import XRay
from .phantoms import PHANTOM_LABELS, draw_phantom

__all__ = ["SPLITS", "Examples", "FilmExamples", "PhantomExamples", "Split"]

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

    def load(self, split: Split, index: int) -> tuple[XRay, frozenset[str]]:
        """Return one X-ray and its true labels."""


@dataclass(frozen=True)
class PhantomExamples:
    """Phantoms, drawn as they are asked for.

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

    def load(self, split: Split, index: int) -> tuple[XRay, frozenset[str]]:
        """Draw one phantom, as its 8-bit PNG would be decoded."""
        phantom = draw_phantom(self._series(split), index)
        return XRay(phantom.pixels.astype(np.float32) / np.float32(255), "png"), frozenset(phantom.labels)

    def _series(self, split: Split) -> int:
        return _SERIES + 3 * self.seed + SPLITS.index(split)


@dataclass(frozen=True)
class FilmExamples:
    """The films of a data set.

    Parameters
    ----------
    data_set : DataSet
        Found sound.
    """

    data_set: DataSet

    @property
    def name(self) -> str:
        """How a model card calls the data."""
        return self.data_set.name

    @property
    def checksum(self) -> str:
        """SHA-256 of the manifest."""
        return self.data_set.checksum

    @property
    def labels(self) -> tuple[Label, ...]:
        """Labels of the data set."""
        return self.data_set.labels

    def count(self, split: Split) -> int:
        """Return how many films a split has."""
        return len(self.data_set.of(split))

    def load(self, split: Split, index: int) -> tuple[XRay, frozenset[str]]:
        """Decode one film.

        Raises
        ------
        ManifestError
            If its file cannot be used; names line and file.
        """
        film = self.data_set.of(split)[index]
        try:
            xray = decode(film.path.read_bytes())
        except (ImageError, OSError) as error:
            raise ManifestError(self.data_set.path, [f"line {film.line}: file {film.file!r}: {error}"]) from error
        return xray, frozenset(name for name, present in film.known.items() if present)
