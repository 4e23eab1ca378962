"""Look at every file once: can it be read, which files are the same, and what the image looks like in small."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..handlers.decode import decode, inspect
from ..handlers.errors import ImageError

__all__ = ["HASH_BITS", "THUMBNAIL", "FileLook", "look_at_files"]

HASH_BITS = 256
"""Of a perceptual hash."""

THUMBNAIL = 48
"""Side of a thumbnail, pixels."""

_THREADS = 4  # reading, decoding and hashing leave Python's lock most of the time
_HASH_SIDE = 16


@dataclass(frozen=True, eq=False)
class FileLook:
    """What was seen of one file.

    Parameters
    ----------
    sha256 : str
        Of its bytes; empty where they cannot be read.
    problem : str
        Why it cannot be used; empty where it can.
    hash : array, optional
        Perceptual hash, uint8 ``[32]``: `HASH_BITS` bits.
    thumbnail : array, optional
        Brightness, uint8 ``[THUMBNAIL, THUMBNAIL]``, the aspect not kept.
    """

    sha256: str
    problem: str = ""
    hash: NDArray[np.uint8] | None = None
    thumbnail: NDArray[np.uint8] | None = None


def look_at_files(
    paths: Sequence[Path], *, pixels: bool = True, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[FileLook]:
    """Look at files, several at a time.

    Parameters
    ----------
    paths : sequence of Path
        Images.
    pixels : bool
        Decode them, for hashes and thumbnails and to find damage inside; else only headers are read.
    progress : callable
        Told files done and files in all. What it raises stops the work.

    Returns
    -------
    list of FileLook
        In the order of the paths.
    """

    def look(path: Path) -> FileLook:
        return _look(path, pixels)

    pool = ThreadPoolExecutor(_THREADS)
    looks = []
    try:
        for done, found in enumerate(pool.map(look, paths), 1):
            looks.append(found)
            progress(done, len(paths))
    finally:
        pool.shutdown(cancel_futures=True)  # on Ctrl-C: at once
    return looks


def _look(path: Path, pixels: bool) -> FileLook:
    try:
        data = path.read_bytes()
    except OSError as error:
        return FileLook("", f"cannot be read: {error.strerror}")
    digest = hashlib.sha256(data).hexdigest()
    try:
        if not pixels:
            inspect(data)
            return FileLook(digest)
        brightness = decode(data).pixels
    except ImageError as error:
        return FileLook(digest, str(error))
    return FileLook(digest, "", *_in_small(brightness))


def _in_small(brightness: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    import imagehash
    from PIL import Image

    image = Image.fromarray(np.clip(brightness * 255 + 0.5, 0, 255).astype(np.uint8))
    # To four times the hash's own grid in one go: ever the same, whatever the size of the film.
    small = image.resize((4 * _HASH_SIDE, 4 * _HASH_SIDE), Image.Resampling.BOX)
    bits = imagehash.phash(small, hash_size=_HASH_SIDE).hash
    thumbnail = image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.packbits(bits), np.asarray(thumbnail, dtype=np.uint8)
