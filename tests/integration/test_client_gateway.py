"""The client against the real gateway, with real Triton and real workers."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from radiolucent.client import (
    AlreadyExists,
    AsyncClient,
    Classified,
    Client,
    Heatmap,
    InstanceReference,
    InvalidRequest,
    JobState,
    ModelInput,
    NotFound,
    Summary,
)

METHODS = ["saliency", "integrated_gradients", "occlusion"]
SMALL = {"integrated_gradients": {"steps": 4}, "occlusion": {"window": 0.5, "stride": 0.5}}
LONG = {"occlusion": {"window": 3, "stride": 1}}


@pytest.fixture
def client(gateway) -> Iterator[Client]:
    with Client(gateway.address) as client:
        yield client


def test_the_catalogues_and_limits_are_read(client) -> None:
    catalogue = client.list_models()
    assert [model.name for model in catalogue.models if model.votes] == ["resnet18", "resnet34"]
    assert catalogue.serving is not None
    assert {method.name for method in client.list_methods().methods} >= set(METHODS)
    assert client.get_model("resnet18").card["name"] == "resnet18"
    assert client.server_info().max_upload_bytes == 32 * 2**20
    with pytest.raises(NotFound, match="resnet34"):
        client.get_model("resnet99")


def test_a_classification_names_the_versions_that_gave_it(client, png) -> None:
    answer = client.classify(png, instance=InstanceReference("1.2.3"))
    assert [one.model.name for one in answer.answers] == ["resnet18", "resnet34"]
    assert all(one.model.version >= 1 for one in answer.answers)
    assert (answer.image_size.height, answer.image_size.width) == (120, 100)
    assert answer.instance == InstanceReference("1.2.3")
    assert answer.intended_use == "Research use only. Not for diagnosis."


def test_bad_input_names_the_field(client) -> None:
    with pytest.raises(InvalidRequest) as caught:
        client.classify(b"a letter")
    assert caught.value.violations[0].field == "xray.file"


def test_an_explanation_brings_a_map_per_model_and_method(client, png) -> None:
    with client.explain(png, {"saliency": {}, **SMALL}, targets="Pneumonia", attributions=True, inputs=True) as stream:
        events = list(stream)
    assert isinstance(events[0], Classified)
    assert isinstance(events[-1], Summary)
    assert all(a.sequence < b.sequence for a, b in pairwise(events))
    maps = [event for event in events if isinstance(event, Heatmap) and event.final]
    assert {(one.model.name, one.method) for one in maps} == {
        (model, method) for model in ("resnet18", "resnet34") for method in METHODS
    }
    for one in maps:
        assert one.values.shape == (64, 64)
        assert one.attribution.shape == (1, 64, 64)
        assert np.isfinite(one.values).all()
        # 120 x 100 in a square, with the width in whole pixels.
        assert one.affine.box_to_original(0, 0, 64, 64) == pytest.approx((-10, 0, 110, 120), abs=1.5)
    assert {event.model.name for event in events if isinstance(event, ModelInput)} == {"resnet18", "resnet34"}
    assert events[-1].state is JobState.DONE


def test_maps_come_measured_and_say_what_lies_outside_the_lungs(client, png) -> None:
    left = np.zeros((120, 100), np.uint8)
    left[:, :50] = 255
    mask = io.BytesIO()
    Image.fromarray(left).save(mask, "PNG")
    measures = [measure.name for measure in client.list_methods().measures]
    asked = {"models": ["resnet18", "resnet34"], "targets": "Pneumonia", "aggregates": "mean"}
    plan = client.plan(png, ["saliency"], **asked, measures=measures)
    result = client.explain(png, ["saliency"], **asked, measures=measures, lung_mask=mask.getvalue()).result()
    assert result.summary.state is JobState.DONE
    assert [one.passes for one in result.estimates] == [one.passes for one in plan.estimates]
    assert len(result.heatmaps) == 3
    for one in result.heatmaps:
        assert [it.measure for it in one.measurements] == (measures if one.aggregate is None else [])
        assert all(bool(it.values) != bool(it.refusal) for it in one.measurements)
        # The film is 120 x 100: beside it there is padding, which counts for nothing.
        assert one.outside_lungs.area == pytest.approx(0.5, abs=0.01)
        right = np.clip(one.values[:, 32:], 0, None).sum() / np.clip(one.values, 0, None).sum()
        assert one.outside_lungs.share == pytest.approx(right, abs=0.1)
    with pytest.raises(InvalidRequest) as caught:
        client.explain(png, ["saliency"], lung_mask=png).result()
    assert caught.value.violations[0].field == "lungs.mask"


def test_unknown_names_list_those_there_are(client, png) -> None:
    for arguments in (
        {"methods": ["guesswork"]},
        {"methods": ["saliency"], "models": ["resnet99"]},
        {"methods": ["saliency"], "targets": ["Bad Luck"]},
        {"methods": {"occlusion": {"windw": 3}}},
    ):
        with pytest.raises(InvalidRequest) as caught:
            client.explain(png, **arguments).result()
        assert caught.value.violations, arguments


def test_the_same_request_id_joins_its_job_and_another_request_is_refused(client, png) -> None:
    request_id = str(uuid.uuid4())
    first = client.explain(png, ["saliency"], request_id=request_id, reconnect=True).result()
    again = client.explain(png, ["saliency"], request_id=request_id, reconnect=True).result()
    assert first.job_id == again.job_id
    with pytest.raises(AlreadyExists):
        client.explain(png, ["occlusion"], request_id=request_id, reconnect=True).result()


def test_a_detached_job_is_watched_on_from_where_it_was(gateway, client, png) -> None:
    with client.explain(png, {"saliency": {}, **SMALL}, reconnect=True) as stream:
        seen = [next(stream), next(stream)]
        job_id = stream.detach()
    assert job_id is not None
    with client.watch(job_id, after_sequence=seen[-1].sequence) as stream:
        rest = list(stream)
    sequence = [event.sequence for event in [*seen, *rest]]
    assert sequence == sorted(set(sequence)), "nothing twice, and nothing out of its turn"
    with client.watch(job_id) as stream:  # what is left of it: reports that others supersede may be gaps
        assert {event.sequence for event in stream} <= set(sequence), "nothing lost"
    assert client.get_job(job_id).state is JobState.DONE
    with Client(gateway.address, caller_key="the key of somebody else") as stranger:
        with pytest.raises(NotFound):
            stranger.get_job(job_id)
        with pytest.raises(NotFound):
            stranger.watch(job_id).result()


@pytest.mark.parametrize("reconnect", [False, True])
def test_leaving_a_stream_stops_its_job(client, png, reconnect) -> None:
    with client.explain(png, LONG, reconnect=reconnect) as stream:
        job_id = next(stream).job_id
    deadline = time.monotonic() + 20
    while client.get_job(job_id).state is JobState.RUNNING:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.get_job(job_id).state is JobState.CANCELLED


def test_cancelling_brings_the_summary(client, png) -> None:
    stream = client.explain(png, LONG)
    next(stream)
    stream.cancel()
    assert stream.result().summary.state is JobState.CANCELLED


async def test_the_asynchronous_client_does_the_same(gateway, png) -> None:
    async with AsyncClient(gateway.address) as client:
        answer = await client.classify(png)
        assert [one.model.name for one in answer.answers] == ["resnet18", "resnet34"]
        async with client.explain(png, ["saliency"], models=["resnet18"], targets="all") as stream:
            result = await stream.result()
        assert len(result.heatmaps) == len(answer.labels)
        with pytest.raises(InvalidRequest):
            await client.classify(b"")
