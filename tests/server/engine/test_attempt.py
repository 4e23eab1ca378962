"""One task on one worker that does not answer, or late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from radiolucent.server.engine.attempt import Attempt
from radiolucent.server.engine.task import FailureReason, ItemTask, WorkerDone, WorkerEvent, WorkerFailure
from radiolucent.server.engine.ticket import Ticket, Turn
from radiolucent.server.engine.worker import WorkerState


class Deaf:
    """A worker that says nothing, and takes its time to answer a ping."""

    pid = 1

    def __init__(self) -> None:
        self.pinged = asyncio.Event()
        self.cancelled: list[int] = []

    async def run(self, run_id: int, task: ItemTask) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield None

    async def ping(self, within_s: float) -> None:
        self.pinged.set()
        await asyncio.sleep(60)

    def cancel(self, run_id: int) -> None:
        self.cancelled.append(run_id)


async def test_a_cancellation_is_acted_on_while_the_worker_is_asked_whether_it_lives(
    make_task: Callable[..., ItemTask],
) -> None:
    worker = Deaf()
    ticket = Ticket(make_task(), Turn("job", "caller"))
    attempt = Attempt(worker, ticket, 7, cancel_grace_s=0.1, heartbeat_s=0.05, stall_s=60)  # type: ignore[arg-type]
    running = asyncio.create_task(attempt.run())
    await asyncio.wait_for(worker.pinged.wait(), 30)
    ticket.cancel()
    # Long before the answer that it waits for, which takes a minute.
    assert await asyncio.wait_for(running, 30) is None
    assert worker.cancelled == [7]


class Slow:
    """A worker that ends at once, and takes its time to say how it is."""

    pid = 1
    state = WorkerState(pid=1, warm=(), runs=1, memory_bytes=0, quiet_s=0.0)

    def __init__(self, last: WorkerEvent) -> None:
        self.cancelled = asyncio.Event()
        self._last = last

    async def run(self, run_id: int, task: ItemTask) -> AsyncIterator[WorkerEvent | WorkerState]:
        if isinstance(self._last, WorkerFailure):
            await self.cancelled.wait()
        yield self._last
        await asyncio.sleep(0.6)
        yield self.state

    async def ping(self, within_s: float) -> WorkerState:
        return self.state

    def cancel(self, run_id: int) -> None:
        self.cancelled.set()


@pytest.mark.parametrize("last", [WorkerDone(1, 0.1), WorkerFailure(FailureReason.CANCELLED, "stopped", ())])
async def test_a_worker_that_tidies_up_longer_than_the_grace_is_kept(
    last: WorkerEvent, make_task: Callable[..., ItemTask]
) -> None:
    worker = Slow(last)
    ticket = Ticket(make_task(), Turn("job", "caller"))
    attempt = Attempt(worker, ticket, 7, cancel_grace_s=0.1, heartbeat_s=0.2, stall_s=60)  # type: ignore[arg-type]
    running = asyncio.create_task(attempt.run())
    if isinstance(last, WorkerFailure):
        ticket.cancel()
    assert await asyncio.wait_for(ticket.get(), 30) is last
    ticket.abandon()  # as a reader does who has the last event
    assert await asyncio.wait_for(running, 30) is Slow.state
    assert worker.cancelled.is_set() == isinstance(last, WorkerFailure), "what has ended is not told to stop"
