"""Batches of nearly the same size: a last one of a single image takes nearly as long as a whole one."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["even_parts"]


def even_parts(count: int, most: int) -> Iterator[slice]:
    """Cut so many things into as few parts as can be, none larger than ``most``.

    Parameters
    ----------
    count : int
        How many there are.
    most : int
        Of a part, at least 1.
    """
    parts = -(-count // most)
    for part in range(parts):
        yield slice(part * count // parts, (part + 1) * count // parts)
