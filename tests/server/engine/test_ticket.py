"""A task on its way, and what waits for its reader."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
from radiolucent.handlers import Affine
from radiolucent.server.engine.task import (
    FailureReason,
    ItemTask,
    WorkerDone,
    WorkerFailure,
    WorkerInput,
    WorkerMap,
    WorkerProgress,
)
from radiolucent.server.engine.ticket import Ticket, Turn

MakeTask = Callable[..., ItemTask]
PLANE = np.zeros((2, 2), dtype=np.float32)
AFFINE = Affine(1, 1, 0, 0)


def ticket_of(task: ItemTask) -> Ticket:
    return Ticket(task, Turn(task.job_id, "caller"))


def final(target: int) -> WorkerMap:
    return WorkerMap(target, PLANE, None, AFFINE, True, 1.0, None, 0.0, 0.0)


async def test_what_arrived_is_not_computed_again(make_task: MakeTask) -> None:
    ticket = ticket_of(make_task(targets=(3, 1, 2), want_input=True))
    await ticket.put(WorkerInput(PLANE[None], AFFINE))
    await ticket.put(final(1))
    assert ticket.remaining.targets == (3, 2)
    assert not ticket.remaining.want_input


async def test_a_failure_names_what_is_missing(make_task: MakeTask) -> None:
    ticket = ticket_of(make_task(targets=(0, 1)))
    await ticket.put(final(0))
    await ticket.fail(FailureReason.WORKER, "lost")
    assert await ticket.get() is not None
    last = await ticket.get()
    assert isinstance(last, WorkerFailure)
    assert last.missing == (1,)


async def test_a_worker_lost_after_its_last_map_has_done_its_work(make_task: MakeTask) -> None:
    ticket = ticket_of(make_task(targets=(0,)))
    await ticket.put(final(0))
    await ticket.fail(FailureReason.WORKER, "lost")
    await ticket.get()
    assert isinstance(await ticket.get(), WorkerDone)


async def test_a_slow_reader_holds_its_worker_up_until_the_task_is_cancelled(make_task: MakeTask) -> None:
    ticket = ticket_of(make_task())
    sent = 0

    async def write() -> None:
        nonlocal sent
        for number in range(20):
            await ticket.put(WorkerProgress(number, 20))
            sent += 1

    writer = asyncio.create_task(write())
    await asyncio.sleep(0.05)
    assert sent == 8
    await ticket.get()
    await asyncio.sleep(0.05)
    assert sent == 9
    ticket.cancel()
    await asyncio.wait_for(writer, 30)
    assert [await ticket.get() for _ in range(19)][-1] == WorkerProgress(19, 20)


async def test_nothing_is_kept_for_a_reader_who_left(make_task: MakeTask) -> None:
    ticket = ticket_of(make_task())
    await ticket.put(WorkerProgress(1, 2))
    ticket.abandon()
    await ticket.put(WorkerProgress(2, 2))
    assert ticket.cancelled.is_set()
    assert not ticket._events
