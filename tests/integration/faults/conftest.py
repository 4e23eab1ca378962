"""A small network and tasks for workers whose Ray goes wrong."""

from __future__ import annotations

import asyncio
import hashlib
import io
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from radiolucent.handlers import InputSpec
from radiolucent.server.engine import ray_guard
from radiolucent.server.engine.pool import WorkerPool
from radiolucent.server.engine.task import ItemTask, ModelRef, WorkerEvent
from radiolucent.server.engine.ticket import Turn
from torch import nn

SPEC = InputSpec(size=64)


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    torch.manual_seed(0)
    layers = nn.Sequential(
        *(nn.Conv2d(1, 64, 7), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(1024, 3)),
    )
    path = tmp_path_factory.mktemp("network") / "model.pt"
    torch.jit.trace(layers.eval(), torch.rand(2, 1, SPEC.size, SPEC.size)).save(str(path))
    return ModelRef("resnet18", 1, path, hashlib.sha256(path.read_bytes()).hexdigest(), SPEC)


@pytest.fixture
def make_task(network: ModelRef) -> Callable[..., ItemTask]:
    """Make a task: saliency, or another method with windows that are a forward pass each."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(buffer, "PNG")
    task = ItemTask("job", "item", buffer.getvalue(), network, "saliency", {}, (0,), partial=True)
    return lambda **changes: replace(task, **changes)


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
