"""A task from the moment it is handed in until nobody has anything to do with it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, replace

from .order import Priority
from .task import FailureReason, ItemTask, ModelRef, WorkerDone, WorkerEvent, WorkerFailure, WorkerInput, WorkerMap

__all__ = ["Claim", "Memory", "Ticket", "Turn"]

Memory = tuple[str, tuple[str, int]]
"""A job, and name and version of a network: what measures of the one's maps find out of the other."""

_EVENTS = 8
"""Events that may wait for a slow reader; then its worker waits, and drops what can be dropped."""


@dataclass(frozen=True)
class Turn:
    """What decides when something gets a worker.

    Parameters
    ----------
    job_id : str
        The job that it belongs to.
    caller : Hashable
        Whose job it is.
    priority : Priority
        The job's.
    seconds : float
        What it will cost the worker, estimated.
    shares : Hashable, optional
        What shares its passes, within the job: all of these get the same worker, one after the other.
    """

    job_id: str
    caller: Hashable
    priority: Priority = Priority.INTERACTIVE
    seconds: float = 0.0
    shares: Hashable | None = None


class Claim:
    """What waits for a worker.

    Parameters
    ----------
    turn : Turn
        What decides when it gets one.
    model : ModelRef or None
        The network that it needs, if any.
    remembers : bool
        Whether it takes from others of its job and network what they found out, where they had the same worker.

    Attributes
    ----------
    cancelled : asyncio.Event
        Set when it is to stop.
    """

    def __init__(self, turn: Turn, model: ModelRef | None, *, remembers: bool = False) -> None:
        self.cancelled = asyncio.Event()
        self.turn = turn
        self.model = ("", 0) if model is None else (model.name, model.version)
        """Name and version."""
        self.memory: Memory | None = (turn.job_id, self.model) if remembers else None
        """What a worker has better worked on before; None where it does not matter."""


class Ticket(Claim):
    """A task, what is still missing of it, and its events on their way to whoever waits for them.

    Parameters
    ----------
    task : ItemTask
        The task.
    turn : Turn
        What decides when it gets a worker.
    """

    def __init__(self, task: ItemTask, turn: Turn) -> None:
        super().__init__(turn, task.model, remembers=bool(task.measures))
        self._events: deque[WorkerEvent] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._task = task
        self._missing = list(task.targets)
        self._input_sent = False
        self._abandoned = False
        self.ended = False
        """Whether its last event is in."""

    @property
    def remaining(self) -> ItemTask:
        """What is left to do: all at first, less after a worker died half-way."""
        return replace(
            self._task, targets=tuple(self._missing), want_input=self._task.want_input and not self._input_sent
        )

    @property
    def complete(self) -> bool:
        """Whether every target has its final map."""
        return not self._missing

    def cancel(self) -> None:
        """Have it stop; events up to its end still go to the reader. Nothing where it has ended."""
        if self.ended:
            return
        self.cancelled.set()
        # The few events that are still under way need not wait: a reader that is gone would hold up the worker.
        self._room.set()

    def abandon(self) -> None:
        """Have it stop, with nobody reading any more."""
        self._abandoned = True
        self._events.clear()
        self.cancel()

    async def get(self) -> WorkerEvent:
        """Wait for the next event."""
        while not self._events:
            self._news.clear()
            await self._news.wait()
        event = self._events.popleft()
        self._room.set()
        return event

    async def put(self, event: WorkerEvent) -> None:
        """Hand an event to the reader, waiting for room while the task goes on."""
        while len(self._events) >= _EVENTS and not self.cancelled.is_set():
            self._room.clear()
            await self._room.wait()
        if isinstance(event, WorkerMap) and event.final:
            self._missing.remove(event.target)
        elif isinstance(event, WorkerInput):
            self._input_sent = True
        self.ended = isinstance(event, (WorkerDone, WorkerFailure))
        if not self._abandoned:
            self._events.append(event)
            self._news.set()

    async def fail(
        self, reason: FailureReason, message: str, *, error_id: str | None = None, details: str | None = None
    ) -> None:
        """End it, with every target missing that has no final map yet."""
        if self._missing:
            await self.put(WorkerFailure(reason, message, tuple(self._missing), error_id, details))
        else:  # All that was asked for had arrived when the worker was lost.
            await self.put(WorkerDone(0, 0.0))
