"""Films that look alike: the same picture stored twice, in another size or compression.

A perceptual hash (the signs of the low frequencies of a cosine transform, after Zauner 2010) finds candidates without
comparing all with all; the correlation of thumbnails confirms them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CORRELATION", "DISTANCE", "LookAlike", "find_look_alikes"]

DISTANCE = 36
"""Bits of 256 that the hashes of look-alikes may differ in; films of different patients differ in 54 and more."""

CORRELATION = 0.95
"""Pearson correlation of the thumbnails that confirms a pair."""

_BLOCK = 512
_ONES = np.array([bin(value).count("1") for value in range(256)], dtype=np.uint8)


@dataclass(frozen=True)
class LookAlike:
    """Two images that look alike.

    Parameters
    ----------
    first, second : int
        Positions of the images; ``first < second``.
    distance : int
        Bits that their hashes differ in, of 256.
    correlation : float
        Of their thumbnails, at most 1.
    """

    first: int
    second: int
    distance: int
    correlation: float


def find_look_alikes(
    hashes: NDArray[np.uint8],
    thumbnails: Sequence[NDArray[np.uint8]],
    *,
    distance: int = DISTANCE,
    correlation: float = CORRELATION,
) -> list[LookAlike]:
    """Find all pairs of images that look alike.

    Only hashes that share one of their 16-bit words are compared, which is about one pair in 160: surely those that
    differ in fewer bits than there are words, and nearly all that differ in a few more. Copies in another size,
    compression or contrast are found; those cut by a fiftieth, mirrored, turned or inverted are not.

    Parameters
    ----------
    hashes : array
        uint8 ``[images, 32]``.
    thumbnails : sequence of array
        uint8 ``[height, width]`` each, all of one size.
    distance : int
        Most bits that may differ.
    correlation : float
        Least Pearson correlation of the thumbnails.

    Returns
    -------
    list of LookAlike
        By position.
    """
    candidates: dict[tuple[int, int], int] = {}
    for members in _buckets(hashes):
        for start in range(0, len(members), _BLOCK):
            rows = members[start : start + _BLOCK]
            apart = _ONES[hashes[rows, None] ^ hashes[None, members[start:]]].sum(axis=2, dtype=np.int64)
            for row, column in np.argwhere(np.triu(apart <= distance, k=1)):
                pair = (int(rows[row]), int(members[start + column]))
                candidates[pair] = int(apart[row, column])
    found = []
    for (first, second), apart_by in sorted(candidates.items()):
        alike = _correlation(thumbnails[first], thumbnails[second])
        if alike >= correlation:
            found.append(LookAlike(first, second, apart_by, alike))
    return found


def _buckets(hashes: NDArray[np.uint8]) -> Iterator[NDArray[np.int64]]:
    """Yield, in growing order, the positions of all hashes that share a word."""
    words = np.ascontiguousarray(hashes).view(np.uint16)
    for column in words.T:
        order = np.argsort(column, kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(column[order])) + 1):
            if len(members) > 1:
                yield members


def _correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    one, two = (values.astype(np.float64) - values.mean() for values in (first, second))
    scale = float(np.sqrt((one**2).sum() * (two**2).sum()))
    return float((one * two).sum()) / scale if scale > 0 else float(np.array_equal(first, second))
