"""One thread that writes files while events come: drawing takes longer than receiving, and progress shall not wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["WriterThread"]

_MOST_WAITING = 16
"""Maps in memory at a time; who brings more waits."""


class WriterThread:
    """Writes in the background, in order, a bounded number at a time. Not to be shared by threads."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self._under_way: deque[tuple[Future[None], Callable[[], None]]] = deque()

    def add(self, write: Callable[[], None], written: Callable[[], None]) -> None:
        """Take something to write.

        Parameters
        ----------
        write : callable
            Writes, in the thread.
        written : callable
            Is called once it is written, in the caller's thread: by a later call of `add` or `finish`.

        Raises
        ------
        Exception
            What an earlier write raised.
        """
        while self._under_way and (len(self._under_way) >= _MOST_WAITING or self._under_way[0][0].done()):
            if error := self._settle():
                raise error
        self._under_way.append((self._pool.submit(write), written))

    def finish(self) -> None:
        """Wait until everything is written.

        Raises
        ------
        Exception
            What the first write that failed raised, after the others were tried.
        """
        failures = []
        try:
            while self._under_way:
                failures.append(self._settle())
        finally:  # also of a second Ctrl-C
            self._pool.shutdown(wait=False, cancel_futures=True)
        for error in filter(None, failures):
            raise error

    def _settle(self) -> BaseException | None:
        """Wait for the first; returns what it raised."""
        future, written = self._under_way[0]
        error = future.exception()
        self._under_way.popleft()
        if error is None:
            written()
        return error
