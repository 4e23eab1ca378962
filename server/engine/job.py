"""A job: one request while it is worked on, and as long as its results are kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime, timedelta, timezone
from enum import Enum

from ..caller import Caller
from ..instance import InstanceReference
from .events import JobState, Record, Summary
from .log import EventLog
from .order import Priority

__all__ = ["Job", "StopCause"]


class StopCause(Enum):
    """Why a job is stopped before its items ended."""

    CALLER = "the caller stopped the job"
    LOST_CLIENT = "the client was lost"
    DEADLINE = "the deadline passed"
    SHUTDOWN = "the server is stopping"


class Job:
    """One request of one caller.

    Parameters
    ----------
    job_id
        Our identifier.
    request_id
        The caller's identifier.
    caller
        For whom alone the job exists.
    fingerprint
        Digest of what was asked for; another request with the same `request_id` has another one.
    instance
        Where the X-ray comes from; echoed.
    keep
        Whether it goes on when nobody watches any more.
    priority
        Whether somebody waits for it.
    heartbeat_seconds
        A silent stream of its events carries a heartbeat this often.
    """

    def __init__(
        self,
        job_id: str,
        request_id: str,
        caller: Caller,
        fingerprint: str,
        *,
        instance: InstanceReference | None = None,
        keep: bool = False,
        priority: Priority = Priority.INTERACTIVE,
        heartbeat_seconds: float = 5.0,
    ) -> None:
        self.job_id = job_id
        self.request_id = request_id
        self.caller = caller
        self.fingerprint = fingerprint
        self.instance = instance
        self.keep = keep
        self.priority = priority
        self.log = EventLog()
        self.state = JobState.RUNNING
        self.error: BaseException | None = None
        """Why it failed; what a watcher's stream ends with after the summary."""
        self.accepted_time = datetime.now(timezone.utc)
        self.ended_time: datetime | None = None
        self.expire_time: datetime | None = None
        self.started_at = time.monotonic()
        self.ended_at: float | None = None
        self._heartbeat_seconds = heartbeat_seconds
        self._watchers = 0
        self._stop_cause: StopCause | None = None
        self._stop = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def running(self) -> bool:
        """Whether its summary is still to come."""
        return self.state is JobState.RUNNING

    @property
    def watched(self) -> bool:
        """Whether somebody reads its events."""
        return self._watchers > 0

    @property
    def stop_cause(self) -> StopCause | None:
        """Why it was asked to stop; None if it was not."""
        return self._stop_cause

    def stop(self, cause: StopCause) -> None:
        """Ask the job to stop. The first cause counts; an ended job is left alone."""
        if self.running and self._stop_cause is None:
            self._stop_cause = cause
            self._stop.set()

    async def stopped(self) -> StopCause:
        """Wait until it is asked to stop."""
        await self._stop.wait()
        assert self._stop_cause is not None  # noqa: S101 - set before the event
        return self._stop_cause

    async def ended(self) -> None:
        """Wait until its summary is in the log."""
        await self._ended.wait()

    def end(self, summary: Summary, error: BaseException | None, retention_seconds: float) -> None:
        """Write the summary; nothing comes after it."""
        self.error = error
        self.state = summary.state
        self.ended_at = time.monotonic()
        self.ended_time = datetime.now(timezone.utc)
        self.expire_time = self.ended_time + timedelta(seconds=retention_seconds)
        self.log.append(summary)
        self._ended.set()

    async def watch(self, after: int = 0) -> AsyncGenerator[Record, None]:
        """Yield its events after a sequence, then those to come, until the summary.

        When the last watcher leaves a running job that is not to be kept, the job is stopped at once, without a time of
        grace: who may lose the connection and wants to come back asks for `keep_after_disconnect`. Close the
        generator (`aclosing`) so that leaving is noticed.

        Parameters
        ----------
        after
            Sequence of the last event that is known already; 0 for all.

        Yields
        ------
        Record
            Events, and heartbeats while nothing happens.
        """
        self._watchers += 1
        try:
            async with aclosing(self.log.follow(after, self._heartbeat_seconds)) as records:
                async for record in records:
                    yield record
        finally:
            self._watchers -= 1
            if self._watchers == 0 and not self.keep:
                self.stop(StopCause.LOST_CLIENT)
