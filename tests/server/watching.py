"""What a job of the engine's tests has said so far."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from radiolucent.server.engine.events import Event, Record
from radiolucent.server.engine.job import Job


async def watch(job: Job, after: int = 0) -> list[Record]:
    return [record async for record in job.watch(after)]


async def events(job: Job) -> list[Event]:
    return [record.event for record in await watch(job)]


def of(kind: type[Any], seen: list[Event]) -> list[Any]:
    return [event for event in seen if isinstance(event, kind)]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens at once; the bound is only for what never does."""
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("it did not happen within 30 seconds")
        await asyncio.sleep(0.001)
