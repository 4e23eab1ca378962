"""How many requests may be with Triton at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .errors import TritonOverloaded, TritonTimeout

T = TypeVar("T")


class Admission:
    """A bounded number of places at Triton, and a bounded queue before them.

    Triton runs a request to its end even when nobody waits for it any more. So a place is free again when Triton has
    answered, not when the caller gave up; otherwise callers with short deadlines could pile up work without limit.

    Parameters
    ----------
    places
        Requests with Triton at once.
    queue
        Requests that may wait for a place.
    """

    def __init__(self, places: int, queue: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._limit = places + queue
        self._tasks: set[asyncio.Task[object]] = set()

    @property
    def admitted(self) -> int:
        """Requests that are with Triton or wait for it."""
        return len(self._tasks)

    async def run(self, call: Callable[[], Awaitable[T]], timeout: float) -> T:
        """Make a call when there is a place for it.

        Parameters
        ----------
        call
            Makes the request; must end by itself some time.
        timeout
            Seconds that the caller waits, for the place and for the answer.

        Returns
        -------
        object
            What the call returned.

        Raises
        ------
        TritonOverloaded
            If the queue is full; at once.
        TritonTimeout
            If there is no answer in time. The request keeps its place until Triton answers.
        """
        if len(self._tasks) >= self._limit:
            raise TritonOverloaded(f"{self._limit} requests are with Triton or wait for it already")
        at_triton = False

        async def in_turn() -> T:
            nonlocal at_triton
            async with self._places:
                at_triton = True
                return await call()

        task = asyncio.ensure_future(in_turn())
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        try:
            done, _ = await asyncio.wait({task}, timeout=timeout)
        except asyncio.CancelledError:
            if not at_triton:
                task.cancel()
            raise
        if done:
            return task.result()
        if not at_triton:
            task.cancel()
        raise TritonTimeout(f"Triton did not answer within {timeout:g} s")

    async def close(self) -> None:
        """Cancel everything that is under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be waiting for it any more
