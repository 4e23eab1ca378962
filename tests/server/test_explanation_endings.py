# ruff: noqa: ANN401 - the stand-ins are fixtures, whose classes tests cannot import
"""What ends a job before its time, and what does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from radiolucent.server.caller import Caller
from radiolucent.server.engine.events import (
    Failure,
    Heatmap,
    JobState,
    Summary,
)
from radiolucent.server.engine.explain import ExplanationEngine
from radiolucent.server.engine.order import ExplainOrder
from radiolucent.server.engine.task import FailureReason
from radiolucent.server.errors import (
    Stopping,
)

from .watching import events, of, until, watch

MakeOrder = Callable[..., ExplainOrder]


async def test_a_lost_client_cancels_its_job_at_once(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.hold = asyncio.Event()
    job = await engine.submit(make_order(partial=True), caller)
    watching = asyncio.ensure_future(watch(job))
    await until(lambda: len(workers.tasks) == 2)
    watching.cancel()
    await asyncio.wait_for(job.ended(), 30)
    assert job.state is JobState.CANCELLED
    assert workers.cancelled == [job.job_id]
    failures = of(Failure, [record.event for record in await watch(job)])
    assert [one.reason for one in failures] == [FailureReason.CANCELLED] * 2


async def test_a_job_goes_on_while_somebody_watches(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.hold = asyncio.Event()
    job = await engine.submit(make_order(), caller)
    stays, leaves = asyncio.ensure_future(watch(job)), asyncio.ensure_future(watch(job))
    await until(lambda: len(workers.tasks) == 2)
    leaves.cancel()
    await asyncio.sleep(0.01)
    assert job.running
    workers.hold.set()
    assert len(of(Heatmap, [record.event for record in await stays])) == 2


async def test_a_kept_job_survives_its_client_and_its_deadline(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.hold = asyncio.Event()
    job = await engine.submit(make_order(keep=True), caller, seconds=0.05)
    watching = asyncio.ensure_future(watch(job))
    await asyncio.sleep(0.1)
    watching.cancel()
    await asyncio.sleep(0)
    assert job.running
    workers.hold.set()
    await asyncio.wait_for(job.ended(), 30)
    assert job.state is JobState.DONE
    assert len(of(Heatmap, [record.event for record in await watch(job)])) == 2


async def test_at_the_deadline_the_job_ends_with_what_it_has_and_a_summary(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.hold = asyncio.Event()
    seen = await events(await engine.submit(make_order(), caller, seconds=0.5))
    assert {one.reason for one in of(Failure, seen)} == {FailureReason.DEADLINE}
    assert seen[-1].state is JobState.CANCELLED
    assert {one.failure for one in seen[-1].items} == {FailureReason.DEADLINE}


async def test_the_deadline_counts_from_the_call(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, now = engine._classifier.decode, 0.0

    async def an_hour_long(image: bytes) -> Any:
        nonlocal now
        now += 3600
        return await decode(image)

    monkeypatch.setattr("radiolucent.server.engine.explain.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(engine._classifier, "decode", an_hour_long)
    workers.hold = asyncio.Event()
    job = await engine.submit(make_order(), caller, seconds=3600.05)
    await asyncio.wait_for(job.ended(), 30)
    assert job.state is JobState.CANCELLED


async def test_a_job_that_a_second_client_asks_to_keep_outlives_the_first_ones_deadline(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.hold = asyncio.Event()
    request_id = str(uuid4())
    job = await engine.submit(make_order(request_id=request_id), caller, seconds=0.5)
    assert await engine.submit(make_order(request_id=request_id, keep=True), caller) is job
    await asyncio.sleep(0.6)
    assert job.running
    workers.hold.set()
    await asyncio.wait_for(job.ended(), 30)
    assert job.state is JobState.DONE


async def test_a_job_can_be_cancelled_while_triton_has_it(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, triton: Any
) -> None:
    triton.hold = asyncio.Event()
    job = await engine.submit(make_order(), caller)
    await until(lambda: triton.asked == 1)
    await asyncio.wait_for(engine.cancel(caller, job.job_id), 30)
    assert [type(event) for event in await events(job)] == [Summary]
    assert job.state is JobState.CANCELLED


async def test_a_worker_that_does_not_answer_a_cancellation_does_not_hold_up_the_summary(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(job_id: str) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr("radiolucent.server.engine.running._SECONDS_TO_STOP", 0.05)
    monkeypatch.setattr(workers, "cancel", never)
    workers.hold = asyncio.Event()
    job = await engine.submit(make_order(), caller)
    await until(lambda: len(workers.tasks) == 2)
    await asyncio.wait_for(engine.cancel(caller, job.job_id), 30)
    seen = await events(job)
    assert [one.reason for one in of(Failure, seen)] == [FailureReason.CANCELLED] * 2


async def test_cancelling_a_finished_job_changes_nothing(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    job = await engine.submit(make_order(), caller)
    before = await watch(job)
    assert (await engine.cancel(caller, job.job_id)).state is JobState.DONE
    assert await watch(job) == before


async def test_where_one_item_breaks_down_the_others_do_not_go_on_for_nobody(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = []
    whole = workers.run

    async def run(task: Any, turn: Any) -> Any:
        if task.model.name == "resnet34":
            raise KeyError("a bug")
        try:
            async for event in whole(task, turn):
                yield event
        finally:
            left.append(task.model.name)

    monkeypatch.setattr(workers, "run", run)
    workers.hold = asyncio.Event()
    job = await engine.submit(make_order(), caller)
    await asyncio.wait_for(job.ended(), 30)
    assert job.state is JobState.FAILED
    assert left == ["resnet18"]


async def test_while_it_drains_running_jobs_end_and_new_ones_are_refused(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.hold = asyncio.Event()
    job = await engine.submit(make_order(keep=True), caller)
    await until(lambda: len(workers.tasks) == 2)
    draining = asyncio.create_task(engine.drain())
    await asyncio.sleep(0.05)
    assert not draining.done()
    with pytest.raises(Stopping):
        await engine.submit(make_order(), caller)
    assert engine.find(caller, job.job_id) is job
    workers.hold.set()
    await asyncio.wait_for(draining, 30)
    assert job.state is JobState.DONE


async def test_at_the_end_of_the_server_running_jobs_get_a_summary_and_no_new_one_starts(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.hold = asyncio.Event()
    job = await engine.submit(make_order(keep=True), caller)
    await until(lambda: len(workers.tasks) == 2)
    await asyncio.wait_for(engine.close(), 30)
    assert isinstance((await events(job))[-1], Summary)
    assert isinstance(job.error, Stopping)
    with pytest.raises(Stopping):
        await engine.submit(make_order(), caller)
