"""Measures of quality and the lungs, from the request to the events."""

# ruff: noqa: ANN401 - the stand-ins are fixtures, whose classes tests cannot import
from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from google.protobuf.struct_pb2 import Struct
from PIL import Image
from radiolucent.handlers.lungs import LungMask
from radiolucent.protos.radiolucent.v1 import explanation_pb2
from radiolucent.server import convert_jobs
from radiolucent.server.caller import Caller
from radiolucent.server.engine.aggregation import Agreement, Evidence, Mean
from radiolucent.server.engine.backlog import BacklogLimits
from radiolucent.server.engine.events import Classified, Heatmap, Item, ItemEstimate, JobState, Summary
from radiolucent.server.engine.explain import ExplanationEngine
from radiolucent.server.engine.lungs import Drawn, outside_lungs
from radiolucent.server.engine.order import ExplainOrder, Lungs, MethodCall, TargetChoice
from radiolucent.server.engine.segmented import Segmented
from radiolucent.server.engine.task import Measurement
from radiolucent.server.errors import DuplicateRequest, InvalidRequest
from radiolucent.server.explanation import ExplanationServicer

from .watching import events, of, until

MakeOrder = Callable[..., ExplainOrder]
COUNTED = (MethodCall("counted", {"steps": 30}),)


def finals(seen: list[Any]) -> list[Heatmap]:
    return [event for event in of(Heatmap, seen) if event.final]


def mask(height: int = 32, width: int = 24) -> bytes:
    """Of the X-ray's size; its left half is lung."""
    values = np.zeros((height, width), np.uint8)
    values[:, : width // 2] = 255
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"measures": (MethodCall("tea"),)}, "measures[0].name", "unknown measure; there are: counted"),
        ({"measures": (*COUNTED, *COUNTED)}, "measures[1].name", "named twice"),
        ({"measures": (MethodCall("counted", {"steps": 0}),)}, "measures[0].parameters.steps", "greater than"),
        ({"measures": (MethodCall("counted", {"stepz": 1}),)}, "measures[0].parameters", "its parameters are: steps"),
        ({"measures": COUNTED, "models": ("chest_xray",)}, "measures", "of maps of networks"),
        ({"lungs": Lungs(None, "tea")}, "lungs.segmenter", "unknown segmenter; there are: halves"),
        ({"lungs": Lungs(b"tea")}, "lungs.mask", "is no PNG"),
        ({"lungs": Lungs(b"")}, "lungs.mask", "is no PNG"),
        ({"lungs": Lungs(mask(24, 32))}, "lungs.mask", "has 32 x 24 pixels and the X-ray 24 x 32"),
    ],
)
async def test_what_does_not_exist_or_fit_is_refused_by_field(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, changes: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await engine.submit(make_order("occlusion", **changes), caller)
    (violation,) = caught.value.violations
    assert violation.field == field
    assert words in violation.description


async def test_all_that_is_wrong_with_what_is_called_is_said_at_once(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    asked = make_order("tea", measures=(MethodCall("leaves"),), lungs=Lungs(None, "cup"))
    with pytest.raises(InvalidRequest) as caught:
        await engine.submit(asked, caller)
    assert [one.field for one in caught.value.violations] == ["methods[0].name", "measures[0].name", "lungs.segmenter"]


def test_a_message_says_whose_parameter_is_not_finite_and_that_lungs_need_a_source() -> None:
    values = Struct()
    values.update({"steps": float("nan")})
    asked = explanation_pb2.ExplainRequest(
        measures=[explanation_pb2.MeasureCall(name="counted", parameters=values)], lungs=explanation_pb2.Lungs()
    )
    with pytest.raises(InvalidRequest) as caught:
        convert_jobs.order(asked)
    assert {one.field for one in caught.value.violations} == {"measures[0].parameters", "lungs"}


def test_what_is_asked_for_is_read() -> None:
    values = Struct()
    values.update({"steps": 20})
    asked = explanation_pb2.ExplainRequest(
        measures=[explanation_pb2.MeasureCall(name="counted", parameters=values)],
        lungs=explanation_pb2.Lungs(segmenter="halves"),
    )
    order = convert_jobs.order(asked)
    assert order.measures == (MethodCall("counted", {"steps": 20.0}),)
    assert order.lungs == Lungs(None, "halves")
    asked.lungs.mask = b"png"
    assert convert_jobs.order(asked).lungs == Lungs(b"png")
    assert convert_jobs.order(explanation_pb2.ExplainRequest()).lungs is None


async def test_networks_are_measured_and_the_vote_and_aggregates_are_not(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    asked = make_order("occlusion", models=("resnet18", "resnet34", "chest_xray"), aggregations=(Mean(),))
    seen = await events(await engine.submit(replace(asked, measures=COUNTED), caller))
    for task in workers.tasks:
        assert [(one.name, dict(one.parameters)) for one in task.measures] == (
            [] if task.voters else [("counted", {"steps": 30})]
        )
    for heatmap in finals(seen):
        assert len(heatmap.measurements) == (heatmap.item.model != "chest_xray")


async def test_measurements_and_refusals_reach_the_caller_without_what_is_for_the_log(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.measurement = Measurement("counted", {"steps": 30}, {}, "it raised (error e1)", 0.25, "e1", "file.py:3")
    job = await engine.submit(make_order(measures=COUNTED), caller)
    messages = [convert_jobs.job_event(job, record) async for record in job.watch(0)]
    (first, *_) = [message.heatmap for message in messages if message.HasField("heatmap")]
    (one,) = first.measurements
    assert (one.measure, one.refusal, dict(one.parameters)) == ("counted", "it raised (error e1)", {"steps": 30})
    assert one.elapsed.ToMilliseconds() == 250
    assert "file.py" not in str(first)
    assert not first.HasField("outside_lungs")


async def test_a_plan_counts_the_measures_of_every_label(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    estimates = {}
    for measures in ((), COUNTED):
        asked = make_order("saliency", "occlusion", dry_run=True, choice=TargetChoice.ALL, measures=measures)
        (plan,) = of(Classified, await events(await engine.submit(asked, caller)))
        estimates[bool(measures)] = {
            (item.method, item.model): one for item, one in zip(plan.items, plan.estimates, strict=True)
        }
    for key, measured in estimates[True].items():
        plain = estimates[False][key]
        # Thirty for each of three maps, and a run of the method, which is for all.
        assert measured.passes == plain.passes + 3 * 30 + plain.passes
        assert measured.seconds > plain.seconds


async def test_items_that_share_a_pass_each_have_their_own_measures_to_take(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    asked = make_order("saliency", "input_x_gradient", models=("resnet18",), dry_run=True, measures=COUNTED)
    (plan,) = of(Classified, await events(await engine.submit(asked, caller)))
    first, second = plan.estimates
    assert first.shared_pass == second.shared_pass > 0
    assert second.passes == 33
    assert first.passes == 3 + 33


async def test_what_measures_share_is_in_the_plan_once_for_each_network(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    asked = make_order("saliency", "guided_backprop", dry_run=True, choice=TargetChoice.ALL, models=("resnet18",))
    passes = []
    for names in ((), ("deletion",), ("deletion", "insertion"), ("deletion", "insertion", "infidelity")):
        order = replace(asked, request_id=str(uuid4()), measures=tuple(map(MethodCall, names)))
        (plan,) = of(Classified, await events(await engine.submit(order, caller)))
        passes.append(sum(one.passes for one in plan.estimates))
    # Two methods and three labels: six maps of nine passes each; and 29 for the random orders, which both share.
    assert [after - before for before, after in itertools.pairwise(passes)] == [29 + 6 * 9, 6 * 9, 25]


async def test_measured_items_teach_nothing_false_of_unmeasured_ones(
    make_engine: Callable[..., ExplanationEngine], make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    async def plan(engine: ExplanationEngine, **asked: Any) -> ItemEstimate:
        order = make_order("occlusion", models=("resnet18",), dry_run=True, **asked)
        (plan,) = of(Classified, await events(await engine.submit(order, caller)))
        return plan.estimates[0]

    async def estimate(engine: ExplanationEngine, **asked: Any) -> float:
        return float((await plan(engine, **asked)).seconds)

    plain, measured = make_engine(), make_engine()
    passes = (await plan(measured, measures=COUNTED)).passes - (await plan(measured)).passes
    workers.measurement = replace(workers.measurement, passes=passes)
    for _ in range(20):
        await events(await plain.submit(make_order("occlusion", models=("resnet18",)), caller))
        asked = make_order("occlusion", models=("resnet18",), measures=COUNTED)
        await events(await measured.submit(asked, caller))
    assert await estimate(measured) == pytest.approx(await estimate(plain))
    assert await estimate(measured, measures=COUNTED) == pytest.approx(await estimate(plain) + 0.25, rel=0.01)


async def test_a_request_for_other_measures_or_lungs_is_another_request(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    request_id = str(uuid4())
    asked = {"request_id": request_id, "measures": COUNTED, "lungs": Lungs(mask())}
    first = await engine.submit(make_order(**asked), caller)
    assert await engine.submit(make_order(**asked), caller) is first
    for changes in ({"measures": ()}, {"measures": (MethodCall("counted"),)}, {"lungs": None}, {"lungs": Lungs(b"x")}):
        with pytest.raises(DuplicateRequest):
            await engine.submit(make_order(**{**asked, **changes}), caller)


async def test_every_final_map_says_how_much_lies_outside_a_mask(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller
) -> None:
    asked = make_order(
        "occlusion",
        models=("resnet18", "resnet34", "chest_xray"),
        aggregations=(Mean(),),
        partial=True,
        choice=TargetChoice.NAMED,
        labels=("Lesion",),
        lungs=Lungs(mask()),
    )
    seen = await events(await engine.submit(asked, caller))
    assert len(finals(seen)) == 4
    for heatmap in finals(seen):
        outside = heatmap.outside_lungs
        assert outside is not None
        # The workers' maps are constant: no preference.
        assert (outside.share, outside.area) == (0.5, 0.5)
        words = "50 % of the evidence lies outside the lungs; a map without preference would have 50 %."
        assert (outside.sentence, outside.segmenter) == (words, "")
    assert all(one.outside_lungs is None for one in of(Heatmap, seen) if not one.final)


async def test_a_segmenter_draws_once_for_all_maps_and_is_asked_first(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.segmented = Segmented(np.full((32, 24), 255, np.uint8))
    asked = make_order("saliency", "occlusion", choice=TargetChoice.NAMED, labels=("Lesion",))
    seen = await events(await engine.submit(replace(asked, lungs=Lungs(None, "halves")), caller))
    assert [name for name, _ in workers.segmenting] == ["halves"]
    assert {(one.outside_lungs.share, one.outside_lungs.segmenter) for one in finals(seen)} == {(0.0, "halves")}


async def test_where_the_segmenter_fails_maps_come_and_say_so(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    workers.segmented = Segmented(refusal="the segmenter 'halves' raised ValueError (error e1)")
    job = await engine.submit(make_order(lungs=Lungs(None, "halves")), caller)
    messages = [convert_jobs.job_event(job, record) async for record in job.watch(0)]
    maps = [message.heatmap for message in messages if message.HasField("heatmap")]
    assert len(maps) == 2
    for heatmap in maps:
        assert not heatmap.outside_lungs.HasField("share")
        assert not heatmap.outside_lungs.HasField("area")
        assert "the segmenter 'halves' raised ValueError (error e1)" in heatmap.outside_lungs.sentence
        assert heatmap.outside_lungs.segmenter == "halves"
    assert job.state is JobState.DONE


async def test_a_segmenter_that_hangs_holds_up_nobody_who_stops(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    job = await engine.submit(make_order(lungs=Lungs(None, "halves")), caller)
    await until(lambda: bool(workers.tasks))
    await asyncio.wait_for(engine.cancel(caller, job.job_id), 30)
    seen = await events(job)
    assert of(Summary, seen)[0].state is JobState.CANCELLED
    assert all("the job was stopped" in one.outside_lungs.sentence for one in finals(seen))


async def test_a_plan_draws_no_lungs(
    engine: ExplanationEngine, make_order: MakeOrder, caller: Caller, workers: Any
) -> None:
    await events(await engine.submit(make_order(dry_run=True, lungs=Lungs(None, "halves")), caller))
    assert workers.segmenting == []


async def test_the_mask_counts_as_memory(
    make_engine: Callable[..., ExplanationEngine], make_order: MakeOrder, caller: Caller
) -> None:
    needed = {}
    for lungs in (None, Lungs(mask())):
        engine = make_engine(backlog=BacklogLimits(nbytes=10**9))
        await engine.submit(make_order(lungs=lungs), caller)
        (demand,) = engine._backlog._demands.values()
        needed[lungs is not None] = demand.nbytes()
    assert needed[True] == needed[False] + len(mask()) + 32 * 24


@pytest.mark.parametrize(
    ("aggregation", "values", "sentence"),
    [
        (
            None,
            [[1.0, 3.0]] * 2,
            "75 % of the evidence lies outside the lungs; a map without preference would have 50 %.",
        ),
        (None, [[-1.0, -3.0]] * 2, "There is no evidence where the mask says what is lung."),
        (
            Agreement(evidence=Evidence.AGAINST),
            [[1.0, 1.0]] * 2,
            "50 % of the evidence against the label lies outside the lungs; a map without preference would have 50 %.",
        ),
    ],
)
def test_the_sentence_says_what_the_numbers_say(aggregation: Any, values: Any, sentence: str) -> None:
    left = np.zeros((8, 8), np.uint8)
    left[:, :4] = 255
    item = Item("net", 1, "occlusion", ("Lesion",), aggregation)
    found = outside_lungs(np.array(values, np.float32), item, Drawn(LungMask(left)))
    assert found.sentence == sentence
    assert found.area == 0.5


async def test_the_list_has_measures_and_segmenters(engine: ExplanationEngine, registry: Any, measures: Any) -> None:
    servicer = ExplanationServicer(engine, registry, measures)
    listed = await servicer.ListMethods(explanation_pb2.ListMethodsRequest(), None)
    measure = listed.measures[0]
    assert measure.family == "faithfulness"
    assert (measure.name, measure.variant) == ("counted", "Ours.")
    assert [(one.name, one.better) for one in measure.values] == [("found", explanation_pb2.BETTER_END_HIGHER)]
    assert '"steps"' in measure.parameters_schema_json
    (segmenter,) = listed.segmenters
    assert (segmenter.name, segmenter.distribution, segmenter.distribution_version) == ("halves", "package", "2")
