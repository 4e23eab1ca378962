"""X-rays and maps in Ray's object store: gone when their job is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

import pytest
import pytest_asyncio
from radiolucent.server.engine.pool import PoolSettings, WorkerPool
from radiolucent.server.engine.task import ItemTask, WorkerDone, WorkerEvent, WorkerMap
from radiolucent.server.engine.ticket import Turn

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

Everything = Callable[[WorkerPool, ItemTask], Awaitable[list[WorkerEvent]]]
LONG = {"window": 1, "stride": 1, "batch_size": 1}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(PoolSettings(workers=1, threads_per_worker=1))
    await pool.start()
    yield pool
    await pool.stop()


def stored() -> int:
    """Bytes in Ray's object store."""
    import ray
    from ray._private import internal_api

    (node,) = ray.nodes()
    stats = internal_api.node_stats(node["NodeManagerAddress"], node["NodeManagerPort"])
    return int(stats.store_stats.object_store_bytes_used)


async def until_nothing_is_stored() -> None:
    for _ in range(100):
        if await asyncio.to_thread(stored) == 0:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{stored()} bytes are left")


def padded(task: ItemTask) -> ItemTask:
    """The same picture in a file that is too large for Ray to keep outside of its object store."""
    return replace(task, image=task.image + bytes(4 * 2**20))


async def test_nothing_of_a_job_that_ended_is_left(
    pool: WorkerPool, make_task: Callable[..., ItemTask], everything: Everything
) -> None:
    task = padded(make_task(method="integrated_gradients", targets=(0, 1, 2), want_input=True, want_attribution=True))
    events = await everything(pool, task)
    assert isinstance(events[-1], WorkerDone)
    await until_nothing_is_stored()
    assert any(isinstance(event, WorkerMap) for event in events), "the maps themselves are still here"


@pytest.mark.parametrize("end", ["cancel", "leave", "kill"])
async def test_nothing_of_a_job_that_was_broken_off_is_left(
    pool: WorkerPool, make_task: Callable[..., ItemTask], end: str
) -> None:
    task = padded(make_task(job_id=end, method="occlusion", parameters=LONG, want_input=True))
    async with aclosing(pool.run(task, Turn(task.job_id, "caller"))) as events:
        await anext(events)
        assert await asyncio.to_thread(stored) >= 4 * 2**20, "the measure sees what is there"
        if end == "kill":
            os.kill(pool.workers[0].pid, 9)
            await asyncio.sleep(1)
        if end != "leave":
            await pool.cancel(end)
            async for _ in events:
                pass
    await until_nothing_is_stored()
