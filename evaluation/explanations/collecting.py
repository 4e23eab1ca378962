"""Explain film after film, two at a time so that no worker waits at a film's end, and keep each once it is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Protocol

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_fixed

from ...client import InvalidRequest, JobLost, NotAllowed, RadiolucentError, Unavailable, Unsupported
from .asked import AuditAsked
from .asking import FilmExplained, ask_film, blames_film, refused_film
from .errors import ServerLost
from .records import FilmRecord, Records
from .requesting import Asker, FilmAsked

__all__ = ["IN_FLIGHT", "Watcher", "collect"]

IN_FLIGHT = 2
"""Films that are asked for at a time."""

# The client itself waits about a minute for a server each time.
_ATTEMPTS = 6
_WAIT_S = 10.0


class Watcher(Protocol):
    """Is told how the work goes."""

    def far(self, file: str, fraction: float) -> None:
        """Take in which share of a film is done, in [0, 1]; 1 where it is finished."""

    def say(self, text: str) -> None:
        """Take in what somebody who waits should know."""


async def collect(
    client: Asker,
    work: Sequence[FilmAsked],
    asked: AuditAsked,
    records: Records,
    watcher: Watcher,
    *,
    wait_s: float = _WAIT_S,
) -> list[FilmRecord]:
    """Explain films and keep what comes.

    Parameters
    ----------
    client : Asker
        Whom to ask.
    work : sequence of FilmAsked
        The films that are not finished yet.
    asked : AuditAsked
        The audit.
    records : Records
        Where finished films go.
    watcher : Watcher
        Told how far it is.
    wait_s : float
        How long to wait for a lost server before a film is asked for again, in seconds, beside what the client waits.

    Returns
    -------
    list of FilmRecord
        Films that failed for a reason that may pass: they are not kept, and asked for again the next time.

    Raises
    ------
    ServerLost
        If the server stayed away.
    EvaluationError
        If a film cannot be kept, or the model set changed.
    RadiolucentError
        If the server refuses this caller, or is too old.
    """
    waiting = iter(work)
    passing: list[FilmRecord] = []
    last = time.monotonic()

    async def one_after_the_other() -> None:
        nonlocal last
        for one in waiting:
            explained, lasting = await _patiently(client, one, asked, watcher, wait_s)
            now = time.monotonic()
            record = explained.record.model_copy(update={"seconds": now - last})
            last = now
            if lasting:
                await asyncio.to_thread(records.write, record, explained.maps)
            else:
                passing.append(record)
            watcher.far(one.film.file, 1.0)

    await _all_or_none([one_after_the_other() for _ in range(IN_FLIGHT)])
    return passing


async def _patiently(
    client: Asker, one: FilmAsked, asked: AuditAsked, watcher: Watcher, wait_s: float
) -> tuple[FilmExplained, bool]:
    """Explain a film, whatever becomes of the server; and say whether the answer would be the same another time."""
    name = one.film.file

    def tell(fraction: float) -> None:
        watcher.far(name, min(fraction, 0.999))

    attempts = AsyncRetrying(
        retry=retry_if_exception_type((Unavailable, JobLost)),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_fixed(wait_s),
        before_sleep=lambda state: watcher.say(f"the server is lost ({_error(state)}); {name} is asked for again"),
        reraise=True,
    )
    try:
        return await attempts(ask_film, client, one, asked, tell), True
    except (Unavailable, JobLost) as error:
        raise ServerLost(
            f"the server was lost, and did not come back: {error}. Finished films are kept: the same command goes on"
        ) from error
    except (NotAllowed, Unsupported):
        raise
    except InvalidRequest as error:
        return refused_film(one, str(error)), blames_film(error)
    except RadiolucentError as error:
        return refused_film(one, str(error)), False
    except OSError as error:
        return refused_film(one, error.strerror or type(error).__name__), False


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


async def _all_or_none(work: Sequence[Awaitable[None]]) -> None:
    """Run all; the first error, or Ctrl-C, stops all."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # what stopped them is raised already
