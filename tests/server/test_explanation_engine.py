# ruff: noqa: ANN401 - the stand-ins are fixtures, whose classes tests cannot import
"""What a job gives its caller: events from the classification to the summary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from radiolucent.server import convert_jobs
from radiolucent.server.caller import Caller
from radiolucent.server.engine.events import (
    Classified,
    Failure,
    Heatmap,
    JobState,
    ModelInput,
    Progress,
    Summary,
    TargetReason,
)
from radiolucent.server.engine.explain import ExplanationEngine
from radiolucent.server.engine.order import ExplainOrder, Priority, TargetChoice
from radiolucent.server.engine.task import FailureReason
from radiolucent.server.errors import (
    InternalError,
)
from radiolucent.server.triton.errors import TritonUnavailable

from .watching import events, of, watch

MakeOrder = Callable[..., ExplainOrder]


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
