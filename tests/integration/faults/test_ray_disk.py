"""A private Ray whose folder is on a disk that is full."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from radiolucent.server.engine.pool import PoolSettings, WorkerPool
from radiolucent.server.engine.task import ItemTask, WorkerDone, WorkerEvent, WorkerFailure

pytestmark = [pytest.mark.timeout(300)]


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 64 MiB, on which temporary files go."""
    # So short that a private Ray finds room for the paths of its sockets: it has the longest folder that it may have.
    folder = Path(tempfile.mkdtemp(prefix="d-", dir="/tmp"))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(f"needs a small disk, and this machine lets nobody mount one ({mounted.stderr.decode().strip()})")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
    assert os.statvfs(disk).f_bavail == 0
    return filler


async def test_a_pool_lives_through_a_full_disk(
    small_disk: Path,
    make_task: Callable[..., ItemTask],
    everything: Callable[[WorkerPool, ItemTask], Awaitable[list[WorkerEvent]]],
    until: Callable[..., Awaitable[float]],
) -> None:
    pool = WorkerPool(PoolSettings(workers=1, threads_per_worker=1, start_timeout_s=60))
    await pool.start()
    try:
        assert pool._ray.runtime.folder is not None
        assert pool._ray.runtime.folder.is_relative_to(small_disk)
        assert isinstance((await everything(pool, make_task()))[-1], WorkerDone)
        filler = fill(small_disk)
        for number in range(3):
            last = (await everything(pool, make_task(item_id=str(number))))[-1]
            assert isinstance(last, (WorkerDone, WorkerFailure))
        # A worker that is lost now may not find the room to start.
        os.kill(pool.workers[0].pid, 9)
        waiting = asyncio.create_task(everything(pool, make_task(item_id="waiting")))
        await asyncio.sleep(3)
        filler.unlink()
        last = (await asyncio.wait_for(waiting, 120))[-1]
        assert isinstance(last, (WorkerDone, WorkerFailure))
        await until(lambda: not any(worker.busy for worker in pool.workers), 60)
        assert isinstance((await everything(pool, make_task()))[-1], WorkerDone)
    finally:
        await pool.stop()
