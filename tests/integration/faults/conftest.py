"""Tasks of workers whose Ray goes wrong, and how to wait for what becomes of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
from radiolucent.server.engine import ray_guard
from radiolucent.server.engine.pool import WorkerPool
from radiolucent.server.engine.task import ItemTask, WorkerEvent
from radiolucent.server.engine.ticket import Turn


@pytest.fixture(scope="session")
def everything() -> Callable[[WorkerPool, ItemTask], Awaitable[list[WorkerEvent]]]:
    async def collect(pool: WorkerPool, task: ItemTask) -> list[WorkerEvent]:
        return [event async for event in pool.run(task, Turn(task.job_id, "caller"))]

    return collect


@pytest.fixture(scope="session")
def until() -> Callable[..., Awaitable[float]]:
    async def wait(condition: Callable[[], bool], seconds: float) -> float:
        """Wait until it is so; return the seconds that it took."""
        begin = time.monotonic()
        while not condition():
            assert time.monotonic() - begin < seconds, "it did not happen in time"
            await asyncio.sleep(0.01)
        return time.monotonic() - begin

    return wait


@pytest.fixture(scope="session")
def ray_processes() -> Callable[..., list[psutil.Process]]:
    def find(folder: Path | None, *names: str) -> list[psutil.Process]:
        """Return the processes of a private Ray that have one of these names."""
        assert folder is not None
        processes = [psutil.Process(pid) for pid in ray_guard.marked(folder)]
        return [process for process in processes if not names or process.name() in names]

    return find
