"""Scoring many X-rays: a bounded number at a time, in their order, none of them fatal to the others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from .async_client import AsyncClient
from .errors import RadiolucentError, Unavailable
from .results import Classification
from .sources import Source

__all__ = ["Scored", "score"]

_ATTEMPTS = 8
_LONGEST_WAIT_S = 10.0


@dataclass(frozen=True)
class Scored:
    """An X-ray of a batch with its classification, or with the reason why there is none.

    Parameters
    ----------
    source : Source
        The X-ray.
    classification : Classification, optional
        What the networks say.
    error : str, optional
        Why they say nothing.
    """

    source: Source
    classification: Classification | None = None
    error: str | None = None


async def score(
    client: AsyncClient, sources: Iterable[Source], *, concurrency: int = 4, timeout: float = 60.0
) -> AsyncGenerator[Scored, None]:
    """Classify X-rays.

    Parameters
    ----------
    client : AsyncClient
        Where to.
    sources : iterable of Source
        What; taken as they are needed.
    concurrency : int
        How many are under way at a time. Twice as many are in memory at most.
    timeout : float
        Seconds that one X-ray may take.

    Yields
    ------
    Scored
        In the order of the sources. A busy server is waited for by the client, within the X-ray's time.

    Raises
    ------
    Unavailable
        The server is gone, and stayed so over several attempts.
    """
    slots = asyncio.Semaphore(concurrency)
    under_way: deque[asyncio.Task[Scored]] = deque()

    async def one(source: Source) -> Scored:
        async with slots:
            return await _score_one(client, source, timeout)

    try:
        for source in sources:
            under_way.append(asyncio.create_task(one(source)))
            if len(under_way) >= 2 * concurrency:
                yield await under_way[0]
                under_way.popleft()
        while under_way:
            yield await under_way[0]
            under_way.popleft()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _score_one(client: AsyncClient, source: Source, timeout: float) -> Scored:
    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Unavailable),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential(multiplier=0.25, max=_LONGEST_WAIT_S) + wait_random(0, 0.25),
            reraise=True,
        ):
            with attempt:
                return Scored(source, await client.classify(source.path, timeout=timeout))
    except Unavailable:
        raise
    except RadiolucentError as error:
        return Scored(source, error=str(error))
    except OSError as error:
        return Scored(source, error=error.strerror or type(error).__name__)
    raise AssertionError("tenacity returns or raises")
