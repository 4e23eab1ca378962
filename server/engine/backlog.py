"""How much is taken on at a time: jobs, estimated work, and memory, with room left for others."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import InvalidRequest, QueueFull
from .order import Priority

__all__ = ["Backlog", "BacklogLimits", "Demand"]

_CALLER_SHARE = 0.5
_BATCH_SHARE = 0.75
_SHORTEST_RETRY_S = 1.0
_LONGEST_RETRY_S = 60.0
_MIB = 2**20


@dataclass(frozen=True)
class BacklogLimits:
    """How much is taken on. One caller may have half of each, and batch jobs together three quarters.

    Attributes
    ----------
    jobs
        Jobs that wait or run.
    seconds
        Estimated work of these that is still to be done, in seconds of all workers together.
    nbytes
        Memory of these: X-rays, and all maps that they will give.
    """

    jobs: int = 256
    seconds: float = 24 * 3600.0
    nbytes: int = 2**31


@dataclass(frozen=True)
class Demand:
    """What a job takes.

    Attributes
    ----------
    caller
        Whose it is.
    priority
        Whether somebody waits for it.
    nbytes
        Tells the memory of its X-ray and of all maps that it will give.
    remaining_s
        Tells the estimated work that is still to be done, in seconds of one worker.
    works
        Whether it needs a worker: how much work waits does not matter to a plan.
    """

    caller: Hashable
    priority: Priority
    nbytes: Callable[[], int]
    remaining_s: Callable[[], float] = lambda: 0.0
    works: bool = True


class Backlog:
    """The jobs that wait or run.

    A job is taken on as long as less than the limit waits, whatever it needs itself: so a job of hours finds its place,
    and the limit on work is exceeded by one job at most.

    Parameters
    ----------
    limits
        How much.
    workers
        How many share the work.
    """

    def __init__(self, limits: BacklogLimits, workers: int) -> None:
        self._limits = limits
        self._workers = workers
        self._demands: dict[str, Demand] = {}

    def admit(self, job_id: str, demand: Demand) -> None:
        """Take a job on, or refuse it at once.

        Raises
        ------
        QueueFull
            If its share of something is used up; says when to come back.
        InvalidRequest
            If it needs more memory than its caller can ever have.
        """
        most = self._limits.nbytes * _CALLER_SHARE
        if (needed := demand.nbytes()) > most:
            needs = f"its X-ray and maps take {needed / _MIB:.0f} MiB; the limit is {most / _MIB:.0f} MiB"
            raise InvalidRequest.of("methods", f"{needs}: ask for fewer at once, or without attributions")
        everybody = list(self._demands.values())
        own = [one for one in everybody if one.caller == demand.caller]
        self._check("all callers", everybody, demand, _BATCH_SHARE if demand.priority is Priority.BATCH else 1.0)
        self._check("this caller", own, demand, _CALLER_SHARE)
        self._demands[job_id] = demand

    @contextmanager
    def reading(self, caller: Hashable, priority: Priority, nbytes: int, *, works: bool = True) -> Iterator[None]:
        """Have a request count as a job while it is read and checked.

        Raises
        ------
        QueueFull
            As `admit`: what has no place is not even read.
        """
        place = uuid.uuid4().hex
        self.admit(place, Demand(caller, priority, lambda: nbytes, works=works))
        try:
            yield
        finally:
            self.remove(place)

    def remove(self, job_id: str) -> None:
        """Forget a job that has ended."""
        self._demands.pop(job_id, None)

    def __len__(self) -> int:
        """Return how many jobs wait or run."""
        return len(self._demands)

    def _check(self, whose: str, demands: list[Demand], new: Demand, share: float) -> None:
        limits = self._limits
        work = sum(one.remaining_s() for one in demands) / self._workers
        # A job gives its place back when it ends: on average after its share of the work.
        next_end = work / len(demands) if demands else 0.0
        if len(demands) >= max(1, limits.jobs * share):
            raise _full(f"{len(demands)} jobs of {whose} wait or run already", next_end)
        if new.works and work >= limits.seconds * share:
            waits = f"work of {whose} for {work:.0f} s waits or runs already"
            raise _full(waits, work - limits.seconds * share)
        nbytes = sum(one.nbytes() for one in demands)
        if nbytes + new.nbytes() > limits.nbytes * share:
            raise _full(f"jobs of {whose} take {nbytes / _MIB:.0f} MiB of memory already", next_end)


def _full(message: str, seconds: float) -> QueueFull:
    return QueueFull(message, min(max(seconds, _SHORTEST_RETRY_S), _LONGEST_RETRY_S))
