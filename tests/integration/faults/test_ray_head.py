"""A private Ray that loses its head, or its raylet, while the pool works."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from radiolucent.server.engine import ray_guard
from radiolucent.server.engine.pool import PoolSettings, WorkerPool
from radiolucent.server.engine.task import ItemTask, WorkerDone, WorkerEvent, WorkerMap

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

Everything = Callable[[WorkerPool, ItemTask], Awaitable[list[WorkerEvent]]]
Until = Callable[..., Awaitable[float]]
RayProcesses = Callable[..., list[psutil.Process]]
# Windows that are a forward pass each: some ten seconds.
LONG = {"window": 1, "stride": 1, "batch_size": 1}
NOTICED_SECONDS = 5
BACK_SECONDS = 90


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    others = set(psutil.Process().children(recursive=True))
    pool = WorkerPool(PoolSettings(workers=2, threads_per_worker=1))
    await pool.start()
    yield pool
    await pool.stop()
    assert set(psutil.Process().children(recursive=True)) <= others


@pytest_asyncio.fixture(loop_scope="module")
async def longest_stall() -> AsyncIterator[list[float]]:
    """The longest time, in seconds, that the event loop did nothing."""
    longest = [0.0]

    async def tick() -> None:
        while True:
            begin = time.monotonic()
            await asyncio.sleep(0.05)
            longest[0] = max(longest[0], time.monotonic() - begin)

    ticking = asyncio.create_task(tick())
    yield longest
    ticking.cancel()


@pytest.mark.parametrize("names", [("gcs_server",), ("raylet",), ("gcs_server", "raylet")], ids="+".join)
async def test_a_private_ray_that_breaks_is_replaced_and_its_tasks_retried(
    pool: WorkerPool,
    names: tuple[str, ...],
    make_task: Callable[..., ItemTask],
    everything: Everything,
    until: Until,
    ray_processes: RayProcesses,
    longest_stall: list[float],
) -> None:
    before, workers = pool._ray.runtime.folder, pool.workers
    assert before is not None
    running = asyncio.create_task(everything(pool, make_task(method="occlusion", parameters=LONG)))
    await until(lambda: any(worker.busy for worker in pool.workers), 10)
    await asyncio.sleep(0.5)
    for process in ray_processes(before, *names):
        process.kill()
    noticed = await until(lambda: not pool._ray.runs.is_set(), NOTICED_SECONDS)
    assert await everything(pool, make_task(item_id="meanwhile")), "what comes meanwhile waits"
    events = await running
    back = await until(lambda: not any(worker.busy for worker in pool.workers), BACK_SECONDS)
    print(f"noticed after {noticed:.1f} s, all idle {back:.1f} s later, stall {longest_stall[0]:.2f} s")  # noqa: T201
    assert isinstance(events[-1], WorkerDone)
    assert [event.target for event in events if isinstance(event, WorkerMap) and event.final] == [0]
    assert ray_guard.marked(before) == []
    assert not before.exists()
    assert {worker.pid for worker in workers}.isdisjoint(worker.pid for worker in pool.workers)
    assert longest_stall[0] < 2, "classification goes on meanwhile"


async def test_an_idle_ray_that_breaks_is_replaced_before_anybody_needs_it(
    pool: WorkerPool,
    make_task: Callable[..., ItemTask],
    everything: Everything,
    until: Until,
    ray_processes: RayProcesses,
) -> None:
    (head,) = ray_processes(pool._ray.runtime.folder, "gcs_server")
    head.kill()
    await until(lambda: not pool._ray.runs.is_set(), NOTICED_SECONDS)
    await until(lambda: not any(worker.busy for worker in pool.workers), BACK_SECONDS)
    assert isinstance((await everything(pool, make_task()))[-1], WorkerDone)


async def test_a_lost_guard_is_replaced_together_with_what_it_guarded(
    pool: WorkerPool, until: Until, ray_processes: RayProcesses
) -> None:
    before = pool._ray.runtime.folder
    assert before is not None
    guard = ray_processes(before, "gcs_server")[0].parent()
    assert guard is not None
    assert guard.ppid() == os.getpid()
    guard.send_signal(signal.SIGKILL)
    await until(lambda: not pool._ray.runs.is_set(), NOTICED_SECONDS)
    await until(lambda: not any(worker.busy for worker in pool.workers), BACK_SECONDS)
    assert ray_guard.marked(before) == []
    assert not Path(before).exists()


async def test_a_pool_stops_while_its_ray_is_away(until: Until, ray_processes: RayProcesses, pool: WorkerPool) -> None:
    # The last test of this file: the fixture may stop it again.
    folder = pool._ray.runtime.folder
    for process in ray_processes(folder, "gcs_server", "raylet"):
        process.kill()
    await until(lambda: not pool._ray.runs.is_set(), NOTICED_SECONDS)
    begin = time.monotonic()
    await pool.stop()
    assert time.monotonic() - begin < 60
    assert pool._ray.runtime.folder is None
