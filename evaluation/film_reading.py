"""Films, decoded one after the other by several threads, a bounded number of them in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ..datasets import Film
from ..handlers import ImageError, XRay, decode
from .errors import FilmsUnreadable

__all__ = ["read_each"]

_THREADS = 4  # decoding and resizing leave Python's lock most of the time
_AHEAD = 32

A = TypeVar("A")


def read_each(films: Sequence[Film], look: Callable[[XRay], A]) -> Iterator[A]:
    """Decode films and look at each.

    Parameters
    ----------
    films : sequence of Film
        Which.
    look : callable
        What to make of a decoded film; runs in several threads.

    Yields
    ------
    object
        What `look` returns, in the order of the films.

    Raises
    ------
    FilmsUnreadable
        At the end, with every film that cannot be read; nothing is yielded from the first of them on.
    """
    problems: list[str] = []
    under_way: deque[tuple[Film, Future[A]]] = deque()
    waiting = iter(films)
    pool = ThreadPoolExecutor(_THREADS)
    try:
        while True:
            while len(under_way) < _AHEAD and (film := next(waiting, None)) is not None:
                under_way.append((film, pool.submit(_look, film, look)))
            if not under_way:
                break
            film, future = under_way.popleft()
            try:
                seen = future.result()
            except (ImageError, OSError) as error:
                problems.append(f"{film.file}: {getattr(error, 'strerror', None) or error}")
                continue
            if not problems:
                yield seen
    finally:  # on Ctrl-C: at once
        pool.shutdown(cancel_futures=True)
    if problems:
        raise FilmsUnreadable(problems)


def _look(film: Film, look: Callable[[XRay], A]) -> A:
    return look(decode(film.path.read_bytes()))
