"""One task on one worker that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from radiolucent.server.engine.attempt import Attempt
from radiolucent.server.engine.task import ItemTask
from radiolucent.server.engine.ticket import Ticket, Turn


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
