"""Preprocessed X-rays on disk: every film is decoded once, and training reads from memory-mapped arrays.

Memory stays bounded whatever the size of the data set. The tensors are those of `radiolucent.handlers.preprocess`, so
a network is trained on exactly what it will be served.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..datasets import SPLITS, ManifestError, Split
from ..handlers.card import InputSpec
from ..handlers.preprocess import preprocess
from .examples import Examples

__all__ = ["FilmCache", "build_cache"]

_THREADS = 4  # decoding, resizing and drawing leave Python's lock most of the time


@dataclass(frozen=True)
class FilmCache:
    """Preprocessed films of one data set.

    Parameters
    ----------
    folder : Path
        Where the arrays are.
    """

    folder: Path

    def images(self, split: Split, size: int) -> NDArray[np.float32]:
        """Return the films of a split at a size: float32 ``[films, 1, size, size]``, memory-mapped, read-only."""
        images: NDArray[np.float32] = np.load(self.folder / f"{split}_{size}.npy", mmap_mode="r")
        return images

    def targets(self, split: Split) -> NDArray[np.float32]:
        """Return the true labels: float32 ``[films, labels]`` of 0, 1 and NaN for unknown."""
        targets: NDArray[np.float32] = np.load(self.folder / f"{split}_labels.npy")
        return targets


def build_cache(
    folder: Path,
    examples: Examples,
    sizes: Sequence[int],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FilmCache:
    """Preprocess all films, or return what an earlier call has left there.

    Parameters
    ----------
    folder : Path
        Gets 4 bytes per film and pixel of each size.
    examples : Examples
        The films.
    sizes : sequence of int
        Sides of the square inputs, pixels.
    progress : callable
        Told films done and films in all.

    Raises
    ------
    ManifestError
        With every film that cannot be decoded.
    """
    wanted = sorted(set(sizes))
    counts = {split: examples.count(split) for split in SPLITS}
    names = [label.name for label in examples.labels]
    films = {split: examples.names(split) for split in SPLITS}
    key = hashlib.sha256(json.dumps([examples.checksum, wanted, films, names]).encode()).hexdigest()
    mark = folder / "complete"
    if mark.is_file() and mark.read_text() == key:
        return FilmCache(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mark.unlink(missing_ok=True)
    total = sum(counts.values())
    done = 0
    faults: list[ManifestError] = []
    for split, count in counts.items():
        arrays = {
            size: np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
                folder / f"{split}_{size}.npy", mode="w+", dtype=np.float32, shape=(count, 1, size, size)
            )
            for size in wanted
        }
        targets = np.zeros((count, len(names)), dtype=np.float32)

        def prepare(
            index: int,
            split: Split = split,
            arrays: dict[int, NDArray[np.float32]] = arrays,
            targets: NDArray[np.float32] = targets,
        ) -> ManifestError | None:
            try:
                xray, known = examples.load(split, index)
            except ManifestError as error:
                return error
            for size, array in arrays.items():
                array[index] = preprocess(xray, InputSpec(size=size)).tensor
            targets[index] = [known.get(name, np.nan) for name in names]
            return None

        pool = ThreadPoolExecutor(_THREADS)
        try:
            for fault in pool.map(prepare, range(count)):
                done += 1
                progress(done, total)
                if fault is not None:
                    faults.append(fault)
        finally:
            pool.shutdown(cancel_futures=True)  # on Ctrl-C: at once
        for array in arrays.values():
            array.flush()
        np.save(folder / f"{split}_labels.npy", targets)
    if faults:
        raise ManifestError(faults[0].path, [problem for fault in faults for problem in fault.problems])
    mark.write_text(key)
    return FilmCache(folder)
