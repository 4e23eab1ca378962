"""What every part of the benchmarks is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Context"]


@dataclass(frozen=True)
class Context:
    """What to measure, and how much of it.

    Parameters
    ----------
    repository : Path
        A model set.
    films : tuple of Path
        Real X-rays, or drawn phantoms where none are given; at least one.
    short : bool
        Whether a minute or two must do: all parts share ten.
    threads : int
        That both sides of every comparison compute with.
    say : callable
        Gets a line of progress.
    """

    repository: Path
    films: tuple[Path, ...]
    short: bool
    threads: int
    say: Callable[[str], None]
