# ruff: noqa: ANN401 - the stand-ins are fixtures, whose classes tests cannot import
"""What the engine makes of requests for aggregates, for the vote itself, and for labels that were not voted for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from radiolucent.server import convert_jobs
from radiolucent.server.caller import Caller
from radiolucent.server.engine.aggregation import Agreement, Evidence, Mean
from radiolucent.server.engine.events import (
    Classified,
    Event,
    Failure,
    Heatmap,
    JobState,
    ModelInput,
    Summary,
    TargetReason,
    Verdict,
)
from radiolucent.server.engine.explain import ExplanationEngine
from radiolucent.server.engine.order import ExplainOrder, TargetChoice
from radiolucent.server.engine.task import FailureReason, Output, WorkerFailure
from radiolucent.server.errors import InvalidRequest

from .watching import events, of, until

MakeOrder = Callable[..., ExplainOrder]
BOTH = (Mean(), Agreement())


def aggregates(seen: list[Event]) -> list[Heatmap]:
    return [one for one in of(Heatmap, seen) if one.item.aggregation is not None]


async def test_aggregates_come_when_all_networks_gave_their_maps(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    order = make_order(
        "saliency", "occlusion", aggregations=BOTH, choice=TargetChoice.NAMED, labels=("Lesion", "Effusion")
    )
    seen = await events(await engine.submit(order, caller))
    found = aggregates(seen)
    assert len(found) == 2 * 2 * 2
    for one in found:
        assert (one.item.model, one.item.version, one.final, one.fraction) == ("chest_xray", 1, True, 1.0)
        own = [event for event in of(Heatmap, seen) if event.item.aggregation is None]
        parts = [event for event in own if (event.item.method, event.label) == (one.item.method, one.label)]
        assert seen.index(one) > max(map(seen.index, parts))
        assert one.aggregate is not None
        assert [name for name, _, _ in one.aggregate.networks] == ["resnet18", "resnet34"]
        assert one.aggregate.missing == ()
        assert one.output_value == 0.5
        # The maps of the stand-ins are constant: 1 for Lesion and 2 for Effusion.
        np.testing.assert_allclose(one.heatmap, 1)
        assert [scale for *_, scale in one.aggregate.networks] == [1 if one.label == "Lesion" else 2] * 2
        assert one.signed == (one.item.method == "occlusion" and isinstance(one.item.aggregation, Mean))


async def test_aggregates_are_items_with_their_defaults_worked_out(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    seen = await events(await engine.submit(make_order(aggregations=BOTH), caller))
    items = [item for item in of(Classified, seen)[0].items if item.aggregation is not None]
    assert [item.aggregation for item in items] == [Mean(), Agreement(networks=2)]
    assert [one.item for one in of(Summary, seen)[0].items] == list(of(Classified, seen)[0].items)
    assert all(one.delivered == ("Nodule",) and one.failure is None for one in of(Summary, seen)[0].items)
    assert of(Summary, seen)[0].state is JobState.DONE


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (FailureReason.METHOD, FailureReason.TOO_FEW_NETWORKS),
        (FailureReason.NOT_APPLICABLE, FailureReason.NOT_APPLICABLE),
    ],
)
async def test_a_network_without_a_map_is_named_and_too_few_maps_are_a_failure(
    engine: ExplanationEngine,
    make_order: MakeOrder,
    caller: Caller,
    workers: Any,
    monkeypatch: pytest.MonkeyPatch,
    reason: FailureReason,
    told: FailureReason,
) -> None:
    whole = workers.run

    async def run(task: Any, turn: Any) -> Any:
        if task.model.name == "resnet34":
            yield WorkerFailure(reason, "it raised an error", task.targets)
            return
        async for event in whole(task, turn):
            yield event

    monkeypatch.setattr(workers, "run", run)
    ways = (Mean(), Agreement(), Agreement(networks=1, evidence=Evidence.AGAINST))
    order = make_order("occlusion", aggregations=ways, choice=TargetChoice.NOT_PREDICTED)
    seen = await events(await engine.submit(order, caller))
    one, _ = aggregates(seen)
    assert one.item.aggregation == ways[2]
    assert one.aggregate is not None
    assert [name for name, _, _ in one.aggregate.networks] == ["resnet18"]
    assert one.aggregate.missing == (("resnet34", 1),)
    failures = [failure for failure in of(Failure, seen) if failure.item.aggregation is not None]
    # What fails alike for all labels is said once.
    assert [failure.item.labels for failure in failures] == [("Lesion", "Effusion")] * 2
    assert {failure.reason for failure in failures} == {told}
    assert "1 of 2 networks" in failures[0].message
    assert [one.failure for one in of(Summary, seen)[0].items if one.item.aggregation is not None] == [
        told,
        told,
        None,
    ]
    assert of(Summary, seen)[0].state is JobState.DONE


async def test_maps_without_a_sign_have_no_evidence_against(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    ways = (Agreement(evidence=Evidence.AGAINST),)
    order = make_order("saliency", "occlusion", aggregations=ways, choice=TargetChoice.ALL)
    seen = await events(await engine.submit(order, caller))
    assert [one.item.method for one in aggregates(seen)] == ["occlusion"] * 3
    [failure] = of(Failure, seen)
    assert (failure.item.method, failure.reason) == ("saliency", FailureReason.NOT_APPLICABLE)
    # Said at once, and once for all labels.
    assert seen.index(failure) == 1
    assert failure.item.labels == ("Nodule", "Lesion", "Effusion")


async def test_a_stopped_job_says_which_aggregates_are_missing(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.hold = asyncio.Event()
    job = await engine.submit(make_order(aggregations=BOTH, keep=True), caller)
    await until(lambda: bool(workers.tasks))
    await engine.cancel(caller, job.job_id)
    seen = await events(job)
    missing = [failure for failure in of(Failure, seen) if failure.item.aggregation is not None]
    assert [failure.reason for failure in missing] == [FailureReason.CANCELLED] * 2
    assert of(Summary, seen)[0].state is JobState.CANCELLED
    assert len(of(Summary, seen)[0].items) == 4


async def test_what_the_aggregates_lie_on_comes_once_where_inputs_are_asked_for(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    order = make_order("occlusion", aggregations=BOTH, inputs=True, models=("resnet18", "resnet34", "chest_xray"))
    seen = await events(await engine.submit(order, caller))
    inputs = {one.model: one for one in of(ModelInput, seen)}
    assert sorted(inputs) == ["chest_xray", "resnet18", "resnet34"]
    assert len(of(ModelInput, seen)) == 3
    assert inputs["chest_xray"].tensor.shape == (1, 16, 16)
    # 32 x 24 pixels on 16 x 16.
    assert aggregates(seen)[0].affine == inputs["chest_xray"].affine
    assert inputs["chest_xray"].affine.scale_y == 2


async def test_every_map_says_whether_its_label_was_voted_for(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, triton: Any
) -> None:
    order = make_order(choice=TargetChoice.ALL, aggregations=BOTH)
    verdicts = {one.label: one.verdict for one in of(Heatmap, await events(await engine.submit(order, caller)))}
    mean = (1 / (1 + np.exp(-triton.logits))).mean(axis=0)
    for index, (label, voted, votes) in enumerate([("Nodule", True, 2), ("Lesion", False, 1), ("Effusion", False, 0)]):
        assert verdicts[label] == Verdict(voted, votes, 2, pytest.approx(mean[index]))  # type: ignore[arg-type]


async def test_labels_without_a_majority_can_be_explained(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, triton: Any
) -> None:
    order = make_order(choice=TargetChoice.NOT_PREDICTED)
    seen = await events(await engine.submit(order, caller))
    assert [(one.label, one.reason) for one in of(Classified, seen)[0].targets] == [
        ("Lesion", TargetReason.NOT_PREDICTED),
        ("Effusion", TargetReason.NOT_PREDICTED),
    ]
    own = await events(await engine.submit(make_order(choice=TargetChoice.NOT_PREDICTED, models=("thoracic",)), caller))
    assert [one.label for one in of(Classified, own)[0].targets] == ["Effusion"]
    assert of(Heatmap, own)[0].verdict.voters == 1
    # Where everything is voted for there is nothing to explain, and that is no error.
    triton.logits = np.abs(triton.logits)
    seen = await events(await engine.submit(make_order(choice=TargetChoice.NOT_PREDICTED, aggregations=BOTH), caller))
    assert [type(one) for one in seen] == [Classified, Summary]
    assert seen[0].items == ()
    assert seen[1].state is JobState.DONE


async def test_the_vote_itself_is_one_item_of_all_networks(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    seen = await events(await engine.submit(make_order("occlusion", models=("chest_xray", "resnet18")), caller))
    tasks = {bool(task.voters): task for task in workers.tasks}
    assert [one.model.name for one in tasks[True].voters] == ["resnet18", "resnet34"]
    assert [one.thresholds for one in tasks[True].voters] == [(0.5, 0.5, 0.5)] * 2
    assert tasks[True].output is Output.VOTES
    assert tasks[False].output is Output.LOGIT
    found = {one.item.model: one for one in of(Heatmap, seen)}
    assert found["chest_xray"].item.version == 1
    assert found["chest_xray"].aggregate is None
    assert found["chest_xray"].output is Output.VOTES
    order = make_order("occlusion", models=("chest_xray",), output=Output.PROBABILITY)
    await events(await engine.submit(order, caller))
    assert workers.tasks[-1].output is Output.PROBABILITY


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"models": ("chest_xray",)}, "methods[0].name", "saliency needs more than forward passes"),
        ({"models": ("chest_xray", "resnet18"), "output": Output.LOGIT}, "output", "has no logit"),
        ({"output": Output.VOTES}, "output", "only chest_xray has votes"),
        ({"models": ("chest_xray", "chest_xray")}, "models[1]", "twice"),
        ({"aggregations": (Mean(), Mean())}, "aggregations[1]", "mean is asked for twice"),
        ({"aggregations": (Mean(),), "models": ("resnet18",)}, "aggregations[0]", "leave the models empty"),
        ({"aggregations": (Mean(),), "models": ("thoracic", "resnet18")}, "aggregations[0]", "1 of these"),
        ({"aggregations": (Agreement(networks=3),)}, "aggregations[0].agreement.networks", "at most the 2"),
        ({"aggregations": (Agreement(top_share=1.0),)}, "aggregations[0].agreement.top_share", "below 1"),
        ({"aggregations": (Agreement(top_share=float("nan")),)}, "aggregations[0].agreement.top_share", "below 1"),
    ],
)
async def test_what_does_not_fit_is_refused_by_name(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, values: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await engine.submit(make_order(**values), caller)
    assert [one.field for one in caught.value.violations] == [field]
    assert words in caught.value.violations[0].description


async def test_another_aggregation_is_another_request(make_order: MakeOrder) -> None:
    prints = {make_order(aggregations=one).fingerprint() for one in ((), (Mean(),), (Agreement(),), (Agreement(2),))}
    assert len(prints) == 4


async def test_messages_say_all_of_an_aggregate(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    job = await engine.submit(make_order("occlusion", aggregations=(Mean(), Agreement(top_share=0.2))), caller)
    records = [record async for record in job.watch()]
    messages = [convert_jobs.job_event(job, record) for record in records]
    mean, agreed = [one.heatmap for one in messages if one.heatmap.HasField("aggregate")]
    assert mean.aggregate.aggregation.WhichOneof("kind") == "mean"
    assert agreed.aggregate.aggregation.agreement.networks == 2
    assert agreed.aggregate.aggregation.agreement.top_share == pytest.approx(0.2)
    assert [one.model.name for one in mean.aggregate.networks] == ["resnet18", "resnet34"]
    assert (mean.verdict.voted, mean.verdict.votes, mean.verdict.voters) == (True, 2, 2)
    assert not mean.HasField("resampling_error")
    items = messages[0].classified.items
    assert [one.aggregation.WhichOneof("kind") for one in items] == [None, None, "mean", "agreement"]
