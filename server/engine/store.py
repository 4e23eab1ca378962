"""The jobs that run, and the results that are kept."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..caller import Caller
from ..errors import DuplicateRequest, JobNotFound, Stopping
from .events import JobState
from .job import Job

__all__ = ["JobStore"]


class JobStore:
    """Jobs by caller. What belongs to another caller does not exist.

    Results of ended jobs are dropped after `retention_seconds`, once nobody reads them any more; and sooner, oldest
    first, whoever reads them, when together they take more than `retention_bytes`. Running jobs are never dropped.

    A failed job (nothing of it was computed, because Triton did not answer, say) gives its request_id free, so that the
    same request can be tried again; it can still be looked at by its job_id.

    Parameters
    ----------
    retention_seconds, retention_bytes
        How long, and how much of, results are kept.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        *,
        retention_seconds: float,
        retention_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._retention_seconds = retention_seconds
        self._retention_bytes = retention_bytes
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._by_request: dict[tuple[Caller, str], Job] = {}
        self._ended: dict[str, float] = {}
        self._kept_bytes = 0
        self._closed = False

    @property
    def running(self) -> tuple[Job, ...]:
        """Jobs that have not ended."""
        return tuple(job for job in self._jobs.values() if job.running)

    @property
    def kept_bytes(self) -> int:
        """Memory that results of ended jobs take, bytes."""
        return self._kept_bytes

    def __contains__(self, job: Job) -> bool:
        """Whether a job runs or its results are kept."""
        return self._jobs.get(job.job_id) is job

    def find(self, caller: Caller, job_id: str) -> Job:
        """Return a caller's job.

        Raises
        ------
        JobNotFound
            If this caller has no such job (any more).
        """
        self.sweep()
        job = self._jobs.get(job_id)
        if job is None or job.caller != caller:
            raise JobNotFound
        return job

    def knows(self, caller: Caller, request_id: str) -> bool:
        """Return whether there is a job that a request with this identifier started."""
        return bool(request_id) and _key(caller, request_id) in self._by_request

    def join(self, caller: Caller, request_id: str, fingerprint: str) -> Job | None:
        """Return the job that a request started before, None if there is none.

        Raises
        ------
        DuplicateRequest
            If the request_id belongs to a request that asked for something else.
        """
        self.sweep()
        job = self._by_request.get(_key(caller, request_id))
        if job is not None and job.fingerprint != fingerprint:
            raise DuplicateRequest
        return job

    def admit(self) -> None:
        """Check that a job may start.

        Raises
        ------
        Stopping
            If the server is going down.
        """
        if self._closed:
            raise Stopping

    def add(self, job: Job) -> None:
        """Keep a job that starts."""
        self._jobs[job.job_id] = job
        self._by_request[_key(job.caller, job.request_id)] = job

    def ended(self, job: Job) -> None:
        """Start the time of grace of a job that has just ended, and drop what is too much."""
        self._ended[job.job_id] = self._clock()
        self._kept_bytes += job.log.nbytes
        if job.state is JobState.FAILED:
            self._forget_request(job)
        self.sweep()

    def sweep(self) -> None:
        """Drop results that are too old, then the oldest that are too much."""
        oldest_allowed = self._clock() - self._retention_seconds
        # Jobs are put there when they end, so their order is that of their ends.
        for job_id, ended_at in tuple(self._ended.items()):
            job = self._jobs[job_id]
            if self._kept_bytes > self._retention_bytes or (ended_at <= oldest_allowed and not job.watched):
                self._drop(job)

    def close(self) -> None:
        """Take no new job any more."""
        self._closed = True

    def _drop(self, job: Job) -> None:
        del self._ended[job.job_id]
        del self._jobs[job.job_id]
        self._kept_bytes -= job.log.nbytes
        job.log.discard()  # who still reads it slowly must not keep it
        self._forget_request(job)

    def _forget_request(self, job: Job) -> None:
        key = _key(job.caller, job.request_id)
        if self._by_request.get(key) is job:
            del self._by_request[key]


def _key(caller: Caller, request_id: str) -> tuple[Caller, str]:
    """One key for all ways to write a UUID, of which two are allowed: small letters and capitals."""
    return caller, request_id.lower()
