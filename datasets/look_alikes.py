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
    for one, two in _sharing_a_word(hashes):
        apart = _ONES[hashes[one] ^ hashes[two]].sum(axis=1, dtype=np.int64)
        near = apart <= distance
        ends = np.sort(np.stack([one[near], two[near]], axis=1), axis=1)
        candidates.update(zip(map(tuple, ends.tolist()), apart[near].tolist(), strict=True))
    found = []
    for (first, second), apart_by in sorted(candidates.items()):
        alike = _correlation(thumbnails[first], thumbnails[second])
        if alike >= correlation:
            found.append(LookAlike(first, second, apart_by, alike))
    return found


def _sharing_a_word(hashes: NDArray[np.uint8]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the positions of all pairs of hashes that share a word: of neighbours, of those next but one, and so on."""
    for word in np.ascontiguousarray(hashes).view(np.uint16).T:
        order = np.argsort(word, kind="stable")
        sorted_words = word[order]
        alike = np.arange(len(order))
        for offset in range(1, len(order)):
            alike = alike[alike + offset < len(order)]
            alike = alike[sorted_words[alike] == sorted_words[alike + offset]]
            if not len(alike):
                break
            yield order[alike], order[alike + offset]


def _correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    one, two = (values.astype(np.float64) - values.mean() for values in (first, second))
    scale = float(np.sqrt((one**2).sum() * (two**2).sum()))
    return float((one * two).sum()) / scale if scale > 0 else float(np.array_equal(first, second))
