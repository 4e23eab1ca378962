from __future__ import annotations

import asyncio

import numpy as np
import pytest
from radiolucent.handlers import Affine
from radiolucent.plugins import Completeness
from radiolucent.server.engine.events import (
    Failure,
    Heartbeat,
    Heatmap,
    Item,
    JobState,
    Progress,
    Record,
    Summary,
)
from radiolucent.server.engine.log import EventLog
from radiolucent.server.engine.task import FailureReason, Output

ITEM = Item("resnet18", 1, "saliency", ("Nodule", "Lesion"))
SUMMARY = Summary(JobState.DONE, (), 1.0, 0.1)


def progress(done: int, item: Item = ITEM) -> Progress:
    return Progress(item, done, 10, done / 10)


def heatmap(label: str, *, final: bool, fraction: float = 1.0) -> Heatmap:
    plane = np.zeros((8, 8), dtype=np.float32)
    return Heatmap(
        ITEM, label, {}, Output.LOGIT, 1.0, final, fraction, True, Completeness.NONE, None, plane, None,
        Affine(1, 1, 0, 0), 0.1,
    )  # fmt: skip


async def read(log: EventLog, after: int = 0, heartbeat: float = 5.0) -> list[Record]:
    return [record async for record in log.follow(after, heartbeat)]


async def test_a_watcher_sees_every_event_in_order_and_ends_after_the_summary() -> None:
    log = EventLog()
    watching = asyncio.ensure_future(read(log))
    await asyncio.sleep(0)
    for event in (progress(1), heatmap("Nodule", final=True), SUMMARY):
        log.append(event)
        await asyncio.sleep(0.01)
    records = await watching
    assert [record.sequence for record in records] == [1, 2, 3]
    assert records[-1].event is SUMMARY


async def test_a_watcher_who_comes_back_gets_what_came_after_what_he_knows() -> None:
    log = EventLog()
    for event in (Failure(ITEM, FailureReason.METHOD, "x"), heatmap("Nodule", final=True), SUMMARY):
        log.append(event)
    assert [record.sequence for record in await read(log, after=1)] == [2, 3]
    assert await read(log, after=3) == []


async def test_a_late_watcher_misses_only_what_is_superseded() -> None:
    log = EventLog()
    other = Item("resnet34", 1, "saliency", ("Nodule",))
    log.append(progress(1))
    log.append(heatmap("Nodule", final=False, fraction=0.1))
    log.append(heatmap("Lesion", final=False, fraction=0.1))
    log.append(progress(1, other))
    log.append(heatmap("Nodule", final=False, fraction=0.5))
    log.append(progress(5))
    log.append(heatmap("Nodule", final=True))
    log.append(SUMMARY)
    assert [record.sequence for record in await read(log)] == [3, 4, 6, 7, 8]


async def test_memory_does_not_grow_with_the_number_of_partial_maps() -> None:
    log = EventLog()
    for number in range(1000):
        log.append(progress(number % 10))
        log.append(heatmap("Nodule", final=False, fraction=number / 1000))
    assert len(log) == 2
    assert log.nbytes == 8 * 8 * 4
    assert log.last_sequence == 2000


async def test_a_slow_watcher_does_not_hold_up_the_job_nor_another_watcher() -> None:
    log = EventLog()
    slow = log.follow(0, 5.0)
    log.append(progress(1))
    assert (await anext(slow)).sequence == 1
    for done in range(2, 10):
        log.append(progress(done))
    log.append(heatmap("Nodule", final=True))
    log.append(SUMMARY)
    assert [record.sequence for record in await read(log)] == [9, 10, 11]
    assert [record.sequence async for record in slow] == [9, 10, 11]


async def test_a_silent_stream_carries_heartbeats_with_the_sequence_before_them() -> None:
    log = EventLog()
    log.append(progress(1))
    watcher = log.follow(0, 0.01)
    assert (await anext(watcher)).sequence == 1
    for _ in range(2):
        record = await anext(watcher)
        assert isinstance(record.event, Heartbeat)
        assert record.sequence == 1
    log.append(SUMMARY)
    assert [(record.sequence, record.event) async for record in watcher] == [(2, SUMMARY)]


async def test_nothing_comes_after_the_summary() -> None:
    log = EventLog()
    log.append(SUMMARY)
    with pytest.raises(RuntimeError, match="nothing comes after"):
        log.append(progress(1))
