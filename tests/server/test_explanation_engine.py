# ruff: noqa: ANN401 - the stand-ins are fixtures, whose classes tests cannot import
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
    Failure,
    Heatmap,
    JobState,
    ModelInput,
    Progress,
    Record,
    Summary,
    TargetReason,
)
from radiolucent.server.engine.explain import ExplanationEngine
from radiolucent.server.engine.job import Job, StopCause
from radiolucent.server.engine.order import ExplainOrder, Priority, TargetChoice
from radiolucent.server.engine.task import FailureReason
from radiolucent.server.errors import (
    DuplicateRequest,
    InternalError,
    InvalidRequest,
    JobNotFound,
    QueueFull,
    Stopping,
)
from radiolucent.server.triton.errors import NoModelSet, TritonUnavailable

MakeOrder = Callable[..., ExplainOrder]


async def watch(job: Job, after: int = 0) -> list[Record]:
    return [record async for record in job.watch(after)]


async def events(job: Job) -> list[Event]:
    return [record.event for record in await watch(job)]


def of(kind: type[Any], seen: list[Event]) -> list[Any]:
    return [event for event in seen if isinstance(event, kind)]


async def test_a_job_classifies_works_and_sums_up(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    records = await watch(await engine.submit(make_order("saliency", "occlusion"), caller))
    seen = [record.event for record in records]
    sequences = [record.sequence for record in records]
    assert sequences == sorted(set(sequences))
    assert isinstance(seen[0], Classified)
    assert [target.label for target in seen[0].targets] == ["Nodule"]
    assert seen[0].targets[0].reason is TargetReason.PREDICTED
    assert len(seen[0].items) == 4
    assert (seen[0].classification.height, seen[0].classification.width) == (32, 24)
    assert len([one for one in of(Heatmap, seen) if one.final]) == 4
    assert all(one.facts == {"absorbed": 0.125} for one in of(Heatmap, seen))
    summary = seen[-1]
    assert isinstance(summary, Summary)
    assert summary.state is JobState.DONE
    assert [one.item for one in summary.items] == list(seen[0].items)
    assert all(one.delivered == ("Nodule",) and one.failure is None for one in summary.items)
    assert {one.forward_passes for one in summary.items} == {4}


async def test_what_a_method_found_out_besides_reaches_the_caller(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    job = await engine.submit(make_order("saliency"), caller)
    messages = [convert_jobs.job_event(job, record) for record in await watch(job)]
    maps = [message.heatmap for message in messages if message.HasField("heatmap")]
    assert maps
    assert all(dict(one.facts) == {"absorbed": 0.125} for one in maps)


async def test_cheap_items_come_first(engine: ExplanationEngine, make_order: MakeOrder, caller: Caller) -> None:
    seen = await events(await engine.submit(make_order("occlusion", "integrated_gradients", "saliency"), caller))
    order = [(item.method, item.model) for item in of(Classified, seen)[0].items]
    assert order[:2] == [("saliency", "resnet18"), ("saliency", "resnet34")]


async def test_items_carry_the_version_that_classified(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    await events(await engine.submit(make_order(), caller))
    assert [(task.model.name, task.model.version) for task in workers.tasks] == [("resnet18", 1), ("resnet34", 1)]
    assert workers.tasks[0].model.path.parts[-3:] == ("resnet18", "1", "model.pt")


async def test_where_nothing_is_over_threshold_the_top_label_is_explained_and_marked(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, triton: Any
) -> None:
    triton.logits = triton.logits * 0 - [[3, 1, 2], [3, 1, 2]]
    seen = await events(await engine.submit(make_order(), caller))
    assert [(one.label, one.reason) for one in of(Classified, seen)[0].targets] == [("Lesion", TargetReason.TOP)]


@pytest.mark.parametrize(
    ("choice", "labels", "expected"),
    [
        (TargetChoice.ALL, (), ["Nodule", "Lesion", "Effusion"]),
        (TargetChoice.NAMED, ("Effusion", "Nodule"), ["Nodule", "Effusion"]),
    ],
)
async def test_targets_can_be_asked_for(
    engine: ExplanationEngine,
    make_order: MakeOrder,
    caller: Caller,
    choice: TargetChoice,
    labels: tuple[str, ...],
    expected: list[str],
) -> None:
    seen = await events(await engine.submit(make_order(choice=choice, labels=labels), caller))
    targets = of(Classified, seen)[0].targets
    assert [target.label for target in targets] == expected
    assert {target.reason for target in targets} == {TargetReason.ASKED}
    assert {one.label for one in of(Heatmap, seen)} == set(expected)


async def test_a_network_outside_the_set_is_explained_by_its_own_labels(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    seen = await events(await engine.submit(make_order(models=("thoracic",)), caller))
    # Its own threshold of 0.4 counts: the probability of a logit of -0.2 is 0.45.
    assert [(one.label, one.reason) for one in of(Classified, seen)[0].targets] == [("Mass", TargetReason.PREDICTED)]
    assert [task.model.name for task in workers.tasks] == ["thoracic"]
    assert workers.tasks[0].targets == (0,)


async def test_partial_maps_inputs_and_attributions_come_where_asked_for(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    plain = await events(await engine.submit(make_order("saliency", "occlusion"), caller))
    assert not of(ModelInput, plain)
    assert all(one.final and one.attribution is None for one in of(Heatmap, plain))
    order = make_order("saliency", "occlusion", partial=True, inputs=True, attributions=True)
    rich = await events(await engine.submit(order, caller))
    assert sorted(one.model for one in of(ModelInput, rich)) == ["resnet18", "resnet34"]
    assert all(one.attribution.shape == (1, 16, 16) for one in of(Heatmap, rich) if one.final)


async def test_progress_says_how_far_the_job_is(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    seen = await events(await engine.submit(make_order(), caller))
    fractions = [one.job_fraction for one in of(Progress, seen)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)


async def test_a_failing_item_is_reported_and_summed_up(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.failure = FailureReason.METHOD
    seen = await events(await engine.submit(make_order(), caller))
    assert [(one.item.labels, one.reason) for one in of(Failure, seen)] == [(("Nodule",), FailureReason.METHOD)] * 2
    assert of(Summary, seen)[0].state is JobState.DONE
    assert [(one.delivered, one.failure) for one in of(Summary, seen)[0].items] == [((), FailureReason.METHOD)] * 2


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


async def test_when_triton_is_gone_the_job_fails_with_a_summary_and_can_be_tried_again(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, triton: Any
) -> None:
    triton.error = TritonUnavailable("gone")
    order = make_order(request_id=str(uuid4()))
    job = await engine.submit(order, caller)
    seen = await events(job)
    assert [type(event) for event in seen] == [Summary]
    assert job.state is JobState.FAILED
    assert job.error is triton.error
    triton.error = None
    again = await engine.submit(order, caller)
    assert again is not job
    assert of(Summary, await events(again))[0].state is JobState.DONE


async def test_a_bug_fails_the_job_with_an_id_and_nothing_else(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, triton: Any, caplog: pytest.LogCaptureFixture
) -> None:
    triton.error = ZeroDivisionError("secret")
    job = await engine.submit(make_order(), caller)
    await events(job)
    assert isinstance(job.error, InternalError)
    assert "secret" not in str(job.error)
    assert job.error.error_id in caplog.text


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


async def test_a_lost_client_cancels_its_job_at_once(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.hold = asyncio.Event()
    job = await engine.submit(make_order(partial=True), caller)
    watching = asyncio.ensure_future(watch(job))
    await until(lambda: len(workers.tasks) == 2)
    watching.cancel()
    await asyncio.wait_for(job.ended(), 1)
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
    await asyncio.wait_for(job.ended(), 1)
    assert job.state is JobState.DONE
    assert len(of(Heatmap, [record.event for record in await watch(job)])) == 2


async def test_at_the_deadline_the_job_ends_with_what_it_has_and_a_summary(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.hold = asyncio.Event()
    seen = await events(await engine.submit(make_order(), caller, seconds=0.05))
    assert {one.reason for one in of(Failure, seen)} == {FailureReason.DEADLINE}
    assert seen[-1].state is JobState.CANCELLED
    assert {one.failure for one in seen[-1].items} == {FailureReason.DEADLINE}


async def test_a_job_can_be_cancelled_while_triton_has_it(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, triton: Any
) -> None:
    triton.hold = asyncio.Event()
    job = await engine.submit(make_order(), caller)
    await until(lambda: triton.asked == 1)
    await asyncio.wait_for(engine.cancel(caller, job.job_id), 1)
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
    await asyncio.wait_for(engine.cancel(caller, job.job_id), 1)
    seen = await events(job)
    assert [one.reason for one in of(Failure, seen)] == [FailureReason.CANCELLED] * 2


async def test_cancelling_a_finished_job_changes_nothing(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    job = await engine.submit(make_order(), caller)
    before = await watch(job)
    assert (await engine.cancel(caller, job.job_id)).state is JobState.DONE
    assert await watch(job) == before


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


async def test_workers_learn_whose_turn_it_is(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    order = make_order("saliency", "input_x_gradient", "occlusion", priority=Priority.BATCH)
    job = await engine.submit(order, caller)
    await job.ended()
    assert {(one.job_id, one.caller, one.priority) for one in workers.turns} == {(job.job_id, caller, Priority.BATCH)}
    shares = [one.shares for one in workers.turns]
    assert shares[0] == shares[1] is not None
    assert shares.count(None) == 2
    assert convert_jobs.job(job).priority == convert_jobs.explanation_pb2.PRIORITY_BATCH


async def test_estimates_learn_from_what_was_run(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    async def estimate() -> float:
        seen = await events(await engine.submit(make_order("occlusion", dry_run=True), caller))
        return float(sum(one.seconds for one in of(Classified, seen)[0].estimates))

    for _ in range(10):
        await events(await engine.submit(make_order("occlusion"), caller))
    assert await estimate() == pytest.approx(2 * 0.2, rel=0.1), "two networks, of which each took 0.2 s"


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
    await asyncio.wait_for(draining, 1)
    assert job.state is JobState.DONE


async def test_a_job_that_a_second_client_asks_to_keep_outlives_the_first_ones_deadline(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.hold = asyncio.Event()
    request_id = str(uuid4())
    job = await engine.submit(make_order(request_id=request_id), caller, seconds=0.3)
    assert await engine.submit(make_order(request_id=request_id, keep=True), caller) is job
    await asyncio.sleep(0.5)
    assert job.running
    workers.hold.set()
    await asyncio.wait_for(job.ended(), 1)
    assert job.state is JobState.DONE


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
    await asyncio.wait_for(job.ended(), 1)
    assert job.state is JobState.FAILED
    assert left == ["resnet18"]


async def test_the_deadline_counts_from_the_call(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = engine._classifier.decode

    async def slowly(image: bytes) -> Any:
        await asyncio.sleep(0.3)
        return await decode(image)

    monkeypatch.setattr(engine._classifier, "decode", slowly)
    workers.hold = asyncio.Event()
    begin = asyncio.get_running_loop().time()
    job = await engine.submit(make_order(), caller, seconds=0.5)
    await job.ended()
    assert 0.45 < asyncio.get_running_loop().time() - begin < 0.75


async def test_at_the_end_of_the_server_running_jobs_get_a_summary_and_no_new_one_starts(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.hold = asyncio.Event()
    job = await engine.submit(make_order(keep=True), caller)
    await until(lambda: len(workers.tasks) == 2)
    await asyncio.wait_for(engine.close(), 1)
    assert isinstance((await events(job))[-1], Summary)
    assert isinstance(job.error, Stopping)
    with pytest.raises(Stopping):
        await engine.submit(make_order(), caller)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.001)
    pytest.fail("it did not happen within two seconds")
