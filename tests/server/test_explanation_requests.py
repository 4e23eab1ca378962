# ruff: noqa: ANN401 - the stand-ins are fixtures, whose classes tests cannot import
"""Which requests the engine takes on, joins to a job that it has, only plans, or refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from radiolucent.handlers import ImageError, ImageProblem
from radiolucent.server import convert_jobs
from radiolucent.server.caller import Caller
from radiolucent.server.engine.backlog import BacklogLimits
from radiolucent.server.engine.events import (
    Classified,
    Event,
    Heatmap,
    JobState,
    Record,
    Summary,
)
from radiolucent.server.engine.explain import ExplanationEngine
from radiolucent.server.engine.job import Job, StopCause
from radiolucent.server.engine.order import ExplainOrder
from radiolucent.server.errors import (
    DuplicateRequest,
    InvalidRequest,
    JobNotFound,
    QueueFull,
)
from radiolucent.server.triton.errors import NoModelSet

from .watching import events, of, until, watch

MakeOrder = Callable[..., ExplainOrder]


async def test_the_same_request_id_joins_the_running_job_and_the_kept_one(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any, triton: Any
) -> None:
    order = make_order(request_id=str(uuid4()))
    workers.hold = asyncio.Event()
    first, second = await asyncio.gather(engine.submit(order, caller), engine.submit(order, caller))
    assert first is second
    workers.hold.set()
    seen = await asyncio.gather(watch(first), watch(second))
    assert seen[0] == seen[1]
    kept = await watch(await engine.submit(order, caller))
    assert kept == [record for record in seen[0] if record in kept]
    assert of(Heatmap, [record.event for record in kept]) == of(Heatmap, [record.event for record in seen[0]])
    assert len(workers.tasks) == 2
    assert triton.asked == 1


async def test_a_request_id_used_for_something_else_is_refused(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    request_id = str(uuid4())
    await events(await engine.submit(make_order(request_id=request_id), caller))
    with pytest.raises(DuplicateRequest):
        await engine.submit(make_order("occlusion", request_id=request_id), caller)


async def test_another_callers_job_does_not_exist(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, stranger: Caller
) -> None:
    order = make_order(request_id=str(uuid4()))
    job = await engine.submit(order, caller)
    with pytest.raises(JobNotFound):
        engine.find(stranger, job.job_id)
    with pytest.raises(JobNotFound):
        await engine.cancel(stranger, job.job_id)
    assert await engine.submit(order, stranger) is not job


async def test_a_dry_run_says_what_would_be_done_and_what_it_costs_and_does_nothing(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.wait_s = 12.0
    order = make_order("occlusion", "saliency", "input_x_gradient", dry_run=True)
    seen = await events(await engine.submit(order, caller))
    classified, summary = seen
    assert isinstance(classified, Classified)
    assert isinstance(summary, Summary)
    assert (summary.state, summary.items) == (JobState.DONE, ())
    assert workers.tasks == []
    assert len(classified.estimates) == len(classified.items) == 6
    assert classified.wait_s == 12.0
    assert sum(one.passes for one in classified.estimates) > 400
    message = convert_jobs.job_event(*_job_and_record(classified)).classified
    assert len(message.estimates) == 6
    assert message.estimated_work.ToTimedelta().total_seconds() == pytest.approx(
        sum(one.seconds for one in classified.estimates), abs=1e-5
    )
    assert message.estimated_wait.seconds == 12


def _job_and_record(event: Event) -> tuple[Job, Record]:
    job = Job("job", "request", Caller("key"), "fingerprint")
    return job, job.log.append(event)


async def test_a_dry_run_is_not_the_run(engine: ExplanationEngine, make_order: MakeOrder, caller: Caller) -> None:
    request_id = str(uuid4())
    await events(await engine.submit(make_order(request_id=request_id, dry_run=True), caller))
    with pytest.raises(DuplicateRequest):
        await engine.submit(make_order(request_id=request_id), caller)


async def test_a_bad_image_costs_triton_nothing(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, triton: Any, png: bytes
) -> None:
    for image, problem in [
        (b"", ImageProblem.EMPTY),
        (b"text", ImageProblem.UNKNOWN_FORMAT),
        (png[:-30], ImageProblem.TRUNCATED),
    ]:
        with pytest.raises(ImageError) as caught:
            await engine.submit(make_order(image=image), caller)
        assert caught.value.reason is problem
    with pytest.raises(InvalidRequest, match="limit is 100000"):
        await engine.submit(make_order(image=bytes(100_001)), caller)
    assert triton.asked == 0
    assert not engine.store.running


async def test_without_a_model_set_nothing_is_taken_on(
    make_engine: Callable[..., ExplanationEngine], make_order: MakeOrder, caller: Caller, status: Any
) -> None:
    object.__setattr__(status, "model_set", None)
    with pytest.raises(NoModelSet):
        await make_engine().submit(make_order(), caller)


async def test_more_than_may_wait_is_refused_and_taken_on_later(
    make_engine: Callable[..., ExplanationEngine], make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    engine = make_engine(backlog=BacklogLimits(jobs=2))
    workers.hold = asyncio.Event()
    job = await engine.submit(make_order("saliency", "occlusion"), caller)
    with pytest.raises(QueueFull):
        await engine.submit(make_order(), caller)
    workers.hold.set()
    await job.ended()
    await events(await engine.submit(make_order(), caller))


async def test_what_has_no_place_is_not_even_read(
    make_engine: Callable[..., ExplanationEngine], make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    engine = make_engine(backlog=BacklogLimits(jobs=2))
    reading = 0
    decode = engine._classifier.decode

    async def counted(image: bytes) -> Any:
        nonlocal reading
        reading += 1
        await asyncio.sleep(0.05)
        return await decode(image)

    engine._classifier.decode = counted  # type: ignore[method-assign]
    workers.hold = asyncio.Event()
    request_id = str(uuid4())
    both = await asyncio.gather(
        engine.submit(make_order(request_id=request_id), caller),
        *(engine.submit(make_order(), caller) for _ in range(20)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, QueueFull) for one in both) == 20
    assert reading == 1
    # Who comes back to his job is let in, however full it is.
    assert await engine.submit(make_order(request_id=request_id), caller) is both[0]
    workers.hold.set()


async def test_a_decoded_image_counts_until_it_is_classified(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, triton: Any, workers: Any
) -> None:
    triton.hold, workers.hold = asyncio.Event(), asyncio.Event()
    job = await engine.submit(make_order(), caller)
    (demand,) = engine._backlog._demands.values()
    before = demand.nbytes()
    triton.hold.set()
    await until(lambda: len(workers.tasks) == 2)
    assert before - demand.nbytes() == 32 * 24 * 4
    job.stop(StopCause.CALLER)
    await job.ended()
