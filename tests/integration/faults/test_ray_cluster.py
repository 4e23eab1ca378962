"""One pool on a Ray cluster of two nodes, on this machine, which lose a node, then their head."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from radiolucent.server.engine import ray_guard
from radiolucent.server.engine.pool import PoolSettings, WorkerPool
from radiolucent.server.engine.task import ItemTask, WorkerDone, WorkerEvent

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

Everything = Callable[[WorkerPool, ItemTask], Awaitable[list[WorkerEvent]]]
Until = Callable[..., Awaitable[float]]
# Windows that are a forward pass each: some two seconds.
MEDIUM = {"window": 2, "stride": 2, "batch_size": 1}

NODE = """
    import json, sys
    from ray._private.node import Node
    from ray._private.parameter import RayParams
    head, settings = sys.argv[1] == "head", json.loads(sys.argv[2])
    parameters = RayParams(node_ip_address="127.0.0.1", object_store_memory=2**27, include_dashboard=False,
                           include_log_monitor=False, no_monitor=True, **settings)
    Node.start_api_server = lambda self, **_: setattr(self, "_webui_url", "")
    node = Node(parameters, head=head, shutdown_at_exit=False, spawn_reaper=False)
    print(node.gcs_address, flush=True)
"""


class Cluster:
    """A head that computes, and a second node; each is a family of processes with a folder."""

    def __init__(self) -> None:
        self.address = ""
        self.folders: dict[str, Path] = {}

    def start(self, name: str, cpus: int = 1) -> None:
        folder = Path(tempfile.mkdtemp(prefix="cluster-", dir="/tmp"))
        self.folders[name] = folder
        settings: dict[str, object] = {"num_cpus": cpus, "num_gpus": 1, "temp_dir": str(folder)}
        if name == "head":
            settings |= {"gcs_server_port": int(self.address.rpartition(":")[2] or 0)}
        else:
            settings |= {"gcs_address": self.address}
        command = [sys.executable, "-c", textwrap.dedent(NODE), name, json.dumps(settings)]
        environment = os.environ | {ray_guard.MARK: str(folder)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder, timeout=90)
        assert done.returncode == 0, done.stderr
        self.address = done.stdout.split()[-1]

    def kill(self, name: str) -> None:
        ray_guard.end(self.folders.pop(name))


@pytest.fixture(scope="module")
def cluster(ray_token: str) -> Iterator[Cluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_gcs_rpc_server_reconnect_timeout_s", raising=False)
        cluster = Cluster()
        try:
            cluster.start("head")
            cluster.start("second")
            yield cluster
        finally:
            for name in list(cluster.folders):
                cluster.kill(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(cluster: Cluster) -> AsyncIterator[WorkerPool]:
    settings = PoolSettings(
        workers=2, threads_per_worker=1, ray_address=cluster.address, heartbeat_s=3.0, start_timeout_s=60
    )
    pool = WorkerPool(settings)
    await pool.start()
    yield pool
    await pool.stop()


def nodes_of(pool: WorkerPool) -> list[str]:
    """The node of each worker."""
    from ray._private import state

    actors = {
        actor["Pid"]: actor["Address"]["NodeID"] for actor in state.actors().values() if actor["State"] == "ALIVE"
    }
    return [actors[worker.pid] for worker in pool.workers]


def idle(pool: WorkerPool) -> Callable[[], bool]:
    return lambda: not any(worker.busy for worker in pool.workers)


async def test_the_tasks_of_one_pool_run_on_two_nodes(
    pool: WorkerPool, cluster: Cluster, make_task: Callable[..., ItemTask], everything: Everything, until: Until
) -> None:
    assert not pool._ray.runtime.private
    assert len(set(nodes_of(pool))) == 2
    tasks = [make_task(item_id=str(number), method="integrated_gradients") for number in range(4)]
    before = {worker.pid: sum(psutil.Process(worker.pid).cpu_times()[:2]) for worker in pool.workers}
    results = await asyncio.gather(*(everything(pool, task) for task in tasks))
    assert all(isinstance(events[-1], WorkerDone) for events in results)
    assert all(sum(psutil.Process(pid).cpu_times()[:2]) > spent for pid, spent in before.items()), "both worked"
    await until(idle(pool), 30)  # a worker says what it keeps loaded once it is free
    assert all(worker.warm for worker in pool.workers)


async def test_each_worker_has_its_share_of_the_gpus(pool: WorkerPool) -> None:
    from ray._private import state

    assert pool._ray.gpus == 1.0
    assert state.available_resources().get("GPU", 0) == 0
    assert pool._ray.runtime.gpus_for_each_of(4) == 0.5
    assert pool._ray.runtime.gpus_for_each_of(3) == 0.5, "three cannot be served by two thirds of two GPUs each"
    assert pool._ray.runtime.gpus_for_each_of(6) == 0.3333


async def test_a_node_that_dies_costs_one_worker_until_it_is_back(
    pool: WorkerPool, cluster: Cluster, make_task: Callable[..., ItemTask], everything: Everything, until: Until
) -> None:
    running = [
        asyncio.create_task(everything(pool, make_task(item_id=str(n), method="occlusion", parameters=MEDIUM)))
        for n in range(2)
    ]
    await until(lambda: all(worker.busy for worker in pool.workers), 10)
    await asyncio.sleep(0.2)
    cluster.kill("second")
    results = await asyncio.gather(*running)
    assert all(isinstance(events[-1], WorkerDone) for events in results), "the other node took over"
    others = [make_task(item_id=f"other {number}") for number in range(3)]
    for other in others:
        assert isinstance((await everything(pool, other))[-1], WorkerDone)
    await until(lambda: sum(worker.busy for worker in pool.workers) == 1, 10)
    await asyncio.to_thread(cluster.start, "second")
    await until(idle(pool), 150)
    assert len(set(nodes_of(pool))) == 2


async def test_a_cluster_whose_head_is_started_again_is_joined_again(
    pool: WorkerPool, cluster: Cluster, make_task: Callable[..., ItemTask], everything: Everything, until: Until
) -> None:
    running = asyncio.create_task(everything(pool, make_task(method="occlusion", parameters=MEDIUM)))
    await until(lambda: any(worker.busy for worker in pool.workers), 10)
    for name in list(cluster.folders):
        cluster.kill(name)
    noticed = await until(lambda: not pool._ray.runs.is_set(), 15)
    await asyncio.sleep(3)
    await asyncio.to_thread(cluster.start, "head", cpus=2)
    joined = await until(pool._ray.runs.is_set, 90)
    print(f"noticed after {noticed:.1f} s, joined {joined:.1f} s after the head was back")  # noqa: T201
    assert isinstance((await running)[-1], WorkerDone)
    assert isinstance((await everything(pool, make_task()))[-1], WorkerDone)


async def test_workers_on_one_node_share_its_gpu(pool: WorkerPool, until: Until) -> None:
    """The head is alone now, with one GPU for two workers."""
    from ray._private import state

    await until(idle(pool), 90)
    assert len(set(nodes_of(pool))) == 1
    assert pool._ray.gpus == 0.5
    assert state.available_resources().get("GPU", 0) == 0
