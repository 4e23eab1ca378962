"""A private Ray that loses its head, or its raylet, while the pool works."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from radiolucent.server.engine import ray_guard
from radiolucent.server.engine.pool import PoolSettings, WorkerPool
from radiolucent.server.engine.ray_runtime import RayRuntime
from radiolucent.server.engine.task import ItemTask, WorkerDone, WorkerEvent, WorkerMap
from radiolucent.server.errors import CannotServe

pytestmark = pytest.mark.timeout(300)
in_one_loop = pytest.mark.asyncio(loop_scope="module")

Everything = Callable[[WorkerPool, ItemTask], Awaitable[list[WorkerEvent]]]
Until = Callable[..., Awaitable[float]]
RayProcesses = Callable[..., list[psutil.Process]]
# Windows that are a forward pass each: some two seconds.
MEDIUM = {"window": 2, "stride": 2, "batch_size": 1}
NOTICED_SECONDS = 30
BACK_SECONDS = 90

PATIENT = """
    import sys, threading, time
    import psutil
    from radiolucent.server.engine import ray_guard
    from radiolucent.server.engine.ray_runtime import RayRuntime

    runtime = RayRuntime(None, cpus=1, workers=1)

    def lose_ray_and_find_it():
        runtime.start()
        for pid in ray_guard.marked(runtime.folder):
            if psutil.Process(pid).name() in ray_guard.VITAL:
                psutil.Process(pid).kill()
        time.sleep(3)
        assert not runtime.alive()
        runtime.restart()
        print("back", flush=True)
        runtime.stop()

    thread = threading.Thread(target=lose_ray_and_find_it)
    thread.start()
    thread.join()
"""


def serves(pool: WorkerPool) -> bool:
    """Whether there is a Ray, and all workers are in it: those of a lost one do not look busy at once."""
    return pool._ray.runs.is_set() and not any(worker.busy for worker in pool.workers)


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


@in_one_loop
async def test_a_private_ray_that_loses_its_head_is_replaced_and_its_tasks_retried(
    pool: WorkerPool,
    make_task: Callable[..., ItemTask],
    everything: Everything,
    until: Until,
    ray_processes: RayProcesses,
    longest_stall: list[float],
) -> None:
    before, workers = pool._ray.runtime.folder, pool.workers
    assert before is not None
    running = asyncio.create_task(everything(pool, make_task(method="occlusion", parameters=MEDIUM)))
    await until(lambda: any(worker.busy for worker in pool.workers), 10)
    await asyncio.sleep(0.2)
    (head,) = ray_processes(before, "gcs_server")
    begin = time.monotonic()
    head.kill()
    noticed = await until(lambda: not pool._ray.runs.is_set(), NOTICED_SECONDS)
    assert await everything(pool, make_task(item_id="meanwhile")), "what comes meanwhile waits"
    events = await running
    back = await until(lambda: serves(pool), BACK_SECONDS)
    print(f"noticed after {noticed:.1f} s, all idle {back:.1f} s later, stall {longest_stall[0]:.2f} s")  # noqa: T201
    assert isinstance(events[-1], WorkerDone)
    assert [event.target for event in events if isinstance(event, WorkerMap) and event.final] == [0]
    assert ray_guard.marked(before) == []
    assert not before.exists()
    assert {worker.pid for worker in workers}.isdisjoint(worker.pid for worker in pool.workers)
    assert longest_stall[0] < (time.monotonic() - begin) / 3, "classification goes on meanwhile"


@in_one_loop
async def test_an_idle_ray_that_breaks_is_replaced_even_if_its_port_is_taken(
    pool: WorkerPool,
    make_task: Callable[..., ItemTask],
    everything: Everything,
    until: Until,
    ray_processes: RayProcesses,
) -> None:
    port = pool._ray.runtime._port
    assert port is not None
    (head,) = ray_processes(pool._ray.runtime.folder, "gcs_server")
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        head.kill()
        head.wait(5)
        stranger.bind(("127.0.0.1", port.number))
        stranger.listen()
        await until(lambda: not pool._ray.runs.is_set(), NOTICED_SECONDS)
        await until(lambda: serves(pool), BACK_SECONDS)
        assert pool._ray.runtime._port is not port
        assert isinstance((await everything(pool, make_task()))[-1], WorkerDone)


@in_one_loop
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
    await until(lambda: serves(pool), BACK_SECONDS)
    assert ray_guard.marked(before) == []
    assert not Path(before).exists()


@in_one_loop
async def test_a_ray_that_loses_its_raylet_is_lost_and_its_pool_stops_while_it_is_away(
    until: Until, ray_processes: RayProcesses, pool: WorkerPool
) -> None:
    # The last test of this file: the fixture may stop it again.
    folder = pool._ray.runtime.folder
    (raylet,) = ray_processes(folder, "raylet")
    raylet.kill()
    await until(lambda: not pool._ray.runs.is_set(), NOTICED_SECONDS)
    begin = time.monotonic()
    await pool.stop()
    assert time.monotonic() - begin < 60
    assert pool._ray.runtime.folder is None


def test_a_process_outlives_the_time_after_which_ray_ends_those_that_miss_their_head() -> None:
    """Ray's own patience, a minute, is a second here: without ours, the process ends after two."""
    impatient = os.environ | {"RAY_gcs_rpc_server_reconnect_timeout_s": "1"}
    command = [sys.executable, "-c", textwrap.dedent(PATIENT)]
    done = subprocess.run(command, env=impatient, capture_output=True, text=True, timeout=150)
    assert (done.returncode, done.stdout) == (0, "back\n"), done.stderr


@in_one_loop
async def test_a_head_that_still_starts_is_ended_at_once_when_nobody_wants_it() -> None:
    # After the last test of the pool: a process has one Ray.
    runtime = RayRuntime(None, cpus=1, workers=1)
    starting = asyncio.create_task(asyncio.to_thread(runtime.start))
    while (folder := runtime.folder) is None:
        await asyncio.sleep(0.01)
    begin = time.monotonic()
    runtime.give_up()
    with pytest.raises(CannotServe):
        await starting
    assert time.monotonic() - begin < 30
    assert ray_guard.marked(folder) == []
    assert not folder.exists()
