"""A film and a data set: what every reader of manifests returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..handlers.card import Label

__all__ = ["SPLITS", "DataSet", "Film", "Split"]

Split = Literal["train", "val", "test"]

SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Film:
    """One X-ray of a manifest, and what is known about it.

    Parameters
    ----------
    path : Path
        The image.
    file : str
        As the manifest names it; unique in it, and what tables of results call the film.
    line : int
        In the manifest, from 1; 0 where there is no such thing.
    known : mapping of str to bool
        Labels that are known to be true or false. A label that is missing here is unknown, which is not negative: it
        is masked in loss and metrics.
    group : str
        Patient and known duplicates: films of one group never end in two splits, and intervals resample groups.
    patient : str
        The patient, where the manifest tells; else the group.
    split : str, optional
        Where the film belongs.
    source : str
        Where it comes from; a slash separates a source from its parts. Empty: unknown, as for view and sex.
    view : str
        Such as PA, AP or AP Supine.
    sex : str
        F or M.
    age : float, optional
        Years.
    width, height : int, optional
        Of the original image in pixels, which may be larger than the file.
    licence : str
        As the manifest names it.
    commercial_use : bool, optional
        Whether the licence allows it; None: not known.
    """

    path: Path
    file: str
    line: int
    known: Mapping[str, bool]
    group: str
    patient: str = ""
    split: Split | None = None
    source: str = ""
    view: str = ""
    sex: str = ""
    age: float | None = None
    width: int | None = None
    height: int | None = None
    licence: str = ""
    commercial_use: bool | None = None

    @property
    def main_source(self) -> str:
        """The source without its parts: ``ieee8023`` of ``ieee8023/Eurorad``."""
        return self.source.partition("/")[0]


@dataclass(frozen=True)
class DataSet:
    """A manifest that was found sound.

    Parameters
    ----------
    path : Path
        The manifest.
    name : str
        How a model card calls the data.
    checksum : str
        SHA-256 of the manifest.
    labels : tuple of Label
        With their hierarchy, in the order of the logits.
    films : tuple of Film
        In the order of the manifest; each has a split.
    left_out : mapping of str to int
        Rows that were left out, by reason.
    warnings : tuple of str
        What was noticed and does not stop a training, such as look-alikes in two splits.
    look_alikes : tuple of (str, str)
        Pairs of files of different groups that look alike; empty where no pixels were looked at.
    """

    path: Path
    name: str
    checksum: str
    labels: tuple[Label, ...]
    films: tuple[Film, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    look_alikes: tuple[tuple[str, str], ...] = ()

    def of(self, split: Split) -> tuple[Film, ...]:
        """Return the films of a split."""
        return tuple(film for film in self.films if film.split == split)

    @property
    def licences(self) -> dict[str, int]:
        """Films per licence, most first; an empty name where it is not told."""
        return dict(Counter(film.licence for film in self.films).most_common())

    @property
    def commercial_use(self) -> bool:
        """Whether the licence of every training film is known to allow commercial use."""
        return all(film.commercial_use for film in self.of("train"))

    def targets(self, films: Sequence[Film]) -> NDArray[np.float32]:
        """Return what is known of the labels: float32 ``[films, labels]`` of 0, 1 and NaN for unknown."""
        names = [label.name for label in self.labels]
        rows = [[film.known.get(name, np.nan) for name in names] for film in films]
        return np.asarray(rows, dtype=np.float32).reshape(len(films), len(names))
