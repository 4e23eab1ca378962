"""Explanation workers on a real Ray, with methods and processes that misbehave."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from radiolucent.handlers import InputSpec
from radiolucent.server.engine import ray_guard, ray_private
from radiolucent.server.engine.pool import PoolSettings, WorkerPool
from radiolucent.server.engine.task import (
    FailureReason,
    ItemTask,
    WorkerDone,
    WorkerEvent,
    WorkerFailure,
    WorkerInput,
    WorkerMap,
)
from radiolucent.server.engine.ticket import Turn

pytestmark = pytest.mark.asyncio(loop_scope="module")

MakeTask = Callable[..., ItemTask]
SPEC = InputSpec(size=64)
# Windows that are a forward pass each: some ten seconds, and some two; on a busy machine more.
LONG_SECONDS = 10
LONG = {"window": 1, "stride": 1, "batch_size": 1}
MEDIUM = {"window": 2, "stride": 2, "batch_size": 1}


@pytest.fixture(scope="module")
def misbehaving(misbehaving_site: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(misbehaving_site), prepend=os.pathsep)
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(misbehaving: None) -> AsyncIterator[WorkerPool]:
    others = set(psutil.Process().children(recursive=True))
    pool = WorkerPool(PoolSettings(workers=2, threads_per_worker=1, cancel_grace_s=1.5, heartbeat_s=3.0, segment_s=5.0))
    await pool.start()
    folder = pool._ray.runtime.folder
    assert folder is not None
    assert len(ray_guard.marked(folder)) >= 4
    yield pool
    await pool.stop()
    assert ray_guard.marked(folder) == []
    assert not folder.exists()
    assert set(psutil.Process().children(recursive=True)) <= others


def turn(task: ItemTask) -> Turn:
    return Turn(task.job_id, "caller")


def run(pool: WorkerPool, task: ItemTask) -> AsyncGenerator[WorkerEvent, None]:
    return pool.run(task, turn(task))


async def everything(pool: WorkerPool, task: ItemTask) -> list[WorkerEvent]:
    return [event async for event in run(pool, task)]


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


async def all_idle(pool: WorkerPool, seconds: float = 60) -> None:
    await until(lambda: not any(worker.busy for worker in pool.workers), seconds)


def finals(events: list[WorkerEvent]) -> list[int]:
    return [event.target for event in events if isinstance(event, WorkerMap) and event.final]


def failure(events: list[WorkerEvent]) -> WorkerFailure:
    last = events[-1]
    assert isinstance(last, WorkerFailure)
    return last


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "occlusion"])
async def test_a_task_yields_its_maps_and_ends(pool: WorkerPool, make_task: MakeTask, method: str) -> None:
    events = await everything(pool, make_task(method=method, targets=(2, 0), want_input=True, want_attribution=True))
    assert isinstance(events[0], WorkerInput)
    assert sorted(finals(events)) == [0, 2], "each as soon as it is done"
    assert isinstance(events[-1], WorkerDone)
    maps = [event for event in events if isinstance(event, WorkerMap)]
    # What reaches the gateway is its own: a view would hold Ray's memory for as long as results are kept.
    assert all(event.heatmap.flags.owndata and event.heatmap.flags.writeable for event in maps)
    assert maps[0].final == (method == "saliency"), "whatever takes longer shows what it has on the way"


async def test_partial_maps_arrive_while_the_work_goes_on(pool: WorkerPool, make_task: MakeTask) -> None:
    begin = time.monotonic()
    events = run(pool, make_task(method="occlusion", parameters=MEDIUM))
    times = [time.monotonic() - begin async for event in events if isinstance(event, WorkerMap)]
    assert len(times) > 5
    assert times[0] < 0.5 * times[-1]


async def test_cancelling_a_job_frees_its_workers_at_once(pool: WorkerPool, make_task: MakeTask) -> None:
    long = [make_task(job_id="long", item_id=str(n), method="occlusion", parameters=LONG) for n in range(2)]
    running = [asyncio.create_task(everything(pool, task)) for task in long]
    await until(lambda: all(worker.busy for worker in pool.workers))
    waiting = asyncio.create_task(everything(pool, replace(long[0], item_id="waiting")))
    await asyncio.sleep(0.3)
    begin = time.monotonic()
    await pool.cancel("long")
    assert isinstance((await everything(pool, make_task(job_id="other")))[-1], WorkerDone)
    assert time.monotonic() - begin < LONG_SECONDS / 2
    for events in await asyncio.gather(*running, waiting):
        assert failure(events).reason is FailureReason.CANCELLED
        assert failure(events).missing == (0,)
    assert waiting.result() == [failure(waiting.result())]
    assert all(worker.restarts == 0 for worker in pool.workers)


@pytest.mark.parametrize("leave", ["close", "cancel"])
async def test_leaving_a_task_frees_its_worker(pool: WorkerPool, make_task: MakeTask, leave: str) -> None:
    task = make_task(method="occlusion", parameters=LONG)
    if leave == "close":
        async with aclosing(run(pool, task)) as events:
            await anext(events)
            begin = time.monotonic()
    else:
        reader = asyncio.create_task(everything(pool, task))
        await until(lambda: any(worker.busy for worker in pool.workers))
        await asyncio.sleep(0.3)
        begin = time.monotonic()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
    await all_idle(pool)
    assert time.monotonic() - begin < LONG_SECONDS / 2
    assert not pool._tickets
    assert all(worker.restarts == 0 for worker in pool.workers)


async def test_a_reader_who_never_reads_does_not_cost_the_pool_a_worker(pool: WorkerPool, make_task: MakeTask) -> None:
    events = run(pool, make_task(job_id="unread", method="occlusion", parameters=LONG))
    await anext(events)
    await asyncio.sleep(0.5)
    await pool.cancel("unread")
    await all_idle(pool, LONG_SECONDS / 2)
    last = [event async for event in events][-1]
    assert isinstance(last, WorkerFailure)
    assert last.reason is FailureReason.CANCELLED
    assert all(worker.restarts == 0 for worker in pool.workers)


async def test_a_killed_worker_is_replaced_and_its_task_retried(pool: WorkerPool, make_task: MakeTask) -> None:
    await all_idle(pool)
    pids = {worker.pid for worker in pool.workers}
    tasks = [make_task(item_id=str(n), method="occlusion", parameters=LONG, want_input=True) for n in range(2)]
    results: list[list[WorkerEvent]] = [[], []]

    async def collect(task: ItemTask, events: list[WorkerEvent]) -> None:
        async for event in run(pool, task):
            events.append(event)  # noqa: PERF401 - read while they come

    streams = [asyncio.create_task(collect(*one)) for one in zip(tasks, results, strict=True)]
    # Two maps of each, so that one that begins again is seen to go back.
    await until(lambda: all(sum(isinstance(event, WorkerMap) for event in events) >= 2 for events in results))
    assert all(worker.busy for worker in pool.workers)
    os.kill(pool.workers[0].pid, signal.SIGKILL)
    await asyncio.gather(*streams)
    for events in results:
        assert finals(events) == [0]
        assert isinstance(events[-1], WorkerDone)
        assert sum(isinstance(event, WorkerInput) for event in events) == 1
    # One went through without noticing: what it reports grows from beginning to end.
    progress = [[event.fraction for event in events if isinstance(event, WorkerMap)] for events in results]
    assert sorted(fractions == sorted(fractions) for fractions in progress) == [False, True]
    await until(lambda: len({worker.pid for worker in pool.workers} - pids) == 1)
    await all_idle(pool)
    assert [worker.restarts for worker in pool.workers] == [1, 0]


async def test_a_worker_that_dies_idle_is_replaced_before_anybody_needs_it(
    pool: WorkerPool, make_task: MakeTask
) -> None:
    await all_idle(pool)
    before = pool.workers[1]
    os.kill(before.pid, signal.SIGKILL)
    await until(lambda: pool.workers[1].restarts == before.restarts + 1 and not pool.workers[1].busy)
    assert pool.workers[1].pid != before.pid
    assert isinstance((await everything(pool, make_task()))[-1], WorkerDone)


async def test_a_task_that_kills_two_workers_fails_and_others_go_on(
    pool: WorkerPool, make_task: MakeTask, tmp_path: Path
) -> None:
    fatal = make_task(job_id="fatal", method="fatal", parameters={"folder": str(tmp_path)}, targets=(0, 1))
    others = [make_task(item_id=str(n), method="integrated_gradients") for n in range(4)]
    first, *rest = await asyncio.gather(everything(pool, fatal), *(everything(pool, other) for other in others))
    assert failure(first).reason is FailureReason.WORKER
    assert failure(first).missing == (0, 1)
    assert len(list(tmp_path.iterdir())) == 2
    assert all(isinstance(events[-1], WorkerDone) for events in rest)
    await all_idle(pool)


async def test_a_method_that_ignores_its_cancellation_is_killed(
    pool: WorkerPool, make_task: MakeTask, tmp_path: Path
) -> None:
    events = run(pool, make_task(job_id="deaf", method="deaf", parameters={"folder": str(tmp_path)}))
    await anext(events)
    (mark,) = tmp_path.iterdir()
    pid = int(mark.name.split("-")[1])
    begin = time.monotonic()
    await pool.cancel("deaf")
    last = [event async for event in events][-1]
    assert isinstance(last, WorkerFailure)
    assert last.reason is FailureReason.CANCELLED
    assert time.monotonic() - begin > 1.0, "it had its time to end by itself"
    await until(lambda: not psutil.pid_exists(pid))
    await all_idle(pool)
    assert len(list(tmp_path.iterdir())) == 1, "a cancelled task is not retried"
    assert isinstance((await everything(pool, make_task()))[-1], WorkerDone)


async def test_a_method_that_holds_the_interpreter_is_noticed_and_killed(
    pool: WorkerPool, make_task: MakeTask, tmp_path: Path
) -> None:
    events = await everything(pool, make_task(method="hanging", parameters={"folder": str(tmp_path)}))
    assert failure(events).reason is FailureReason.WORKER
    pids = [int(mark.name.split("-")[1]) for mark in tmp_path.iterdir()]
    assert len(pids) == 2
    await until(lambda: not any(psutil.pid_exists(pid) for pid in pids))
    await all_idle(pool)


async def test_a_segmenter_draws_in_a_worker_and_one_that_hangs_costs_that_worker_alone(
    pool: WorkerPool, make_task: MakeTask
) -> None:
    task = make_task()
    found = await pool.segment("halves", task.image, turn(task))
    assert found.values is not None
    assert found.values.flags.owndata
    assert (found.values[:, :32] == 255).all()
    assert not found.values[:, 32:].any()

    before = {worker.pid for worker in pool.workers}
    hung = await asyncio.wait_for(pool.segment("frozen", task.image, turn(task)), 60)
    assert (hung.values, hung.refusal) == (None, "the segmenter 'frozen' took more than 5 s")
    await all_idle(pool)
    assert len(before & {worker.pid for worker in pool.workers}) == 1
    assert isinstance((await everything(pool, task))[-1], WorkerDone)

    left = asyncio.create_task(pool.segment("frozen", task.image, turn(task)))
    await until(lambda: any(worker.busy for worker in pool.workers))
    begin = time.monotonic()
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left
    assert time.monotonic() - begin < 4, "not only when the 5 s of a segmenter are over"
    await all_idle(pool)


async def test_a_start_sweeps_what_a_gateway_and_guard_that_were_killed_left_and_nothing_else(pool: WorkerPool) -> None:
    code = """
        import time
        from radiolucent.server.engine.ray_runtime import RayRuntime
        runtime = RayRuntime(None, cpus=1, workers=1)
        runtime.start()
        print(runtime.folder, flush=True)
        time.sleep(600)
    """
    gateway = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert gateway.stdout is not None
    folder = Path(await asyncio.to_thread(gateway.stdout.readline)).resolve(strict=False)
    folder = Path(str(folder).strip())
    gateway.stdout.close()
    # Not all that carry its mark: what Ray starts for a moment may have ended before anything is swept.
    marked = ray_guard.marked(folder)
    servers = [one.pid for one in psutil.process_iter(["name"]) if one.info["name"] in ("gcs_server", "raylet")]
    left = [pid for pid in servers if pid in marked]
    assert len(left) == 2
    await all_idle(pool)  # An earlier test's worker may be starting anew.
    ours = {worker.pid for worker in pool.workers}
    await asyncio.to_thread(ray_private.sweep)
    assert all(psutil.pid_exists(pid) for pid in [gateway.pid, *left]), "its gateway lives"
    (guard,) = (one for one in psutil.Process(gateway.pid).children() if ray_guard.__file__ in one.cmdline())
    guard.kill()
    gateway.kill()
    gateway.wait()
    await asyncio.to_thread(ray_private.sweep)
    assert ray_guard.marked(folder) == []
    assert not folder.exists()
    assert all(psutil.pid_exists(pid) for pid in ours)
