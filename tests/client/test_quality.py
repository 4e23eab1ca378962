"""Measures of quality and what lies outside the lungs, as a caller asks for them and gets them."""
# ruff: noqa: ANN001 - fixtures

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from radiolucent.client import AsyncClient, Client, InvalidRequest, Measurement, OutsideLungs, Unsupported


@pytest.fixture
def client(fake) -> Iterator[Client]:
    with Client(fake.address) as client:
        yield client


def a_mask() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4), 255, np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("measures", "sent"),
    [
        ("deletion", [("deletion", {})]),
        (["deletion", ("road", {"steps": 20})], [("deletion", {}), ("road", {"steps": 20.0})]),
        ({"road": {"steps": 20}}, [("road", {"steps": 20.0})]),
        ((), []),
    ],
)
def test_measures_are_named_with_or_without_parameters(client, fake, xray, measures, sent) -> None:
    client.explain(xray, "occlusion", measures=measures).result()
    assert [(call.name, dict(call.parameters)) for call in fake.requests[0].measures] == sent
    assert not fake.requests[0].HasField("lungs")


def test_maps_come_with_their_measurements(client, xray) -> None:
    result = client.explain(xray, "occlusion", measures=["deletion", ("road", {"steps": 20})], partial=True).result()
    assert len(result.heatmaps) == 2
    for heatmap in result.heatmaps:
        assert heatmap.measurements == (
            Measurement("deletion", {}, {"above_random": 0.25, "area": 0.5}, "", 0.25),
            Measurement("road", {"steps": 20}, {}, "the map is constant", 0.25),
        )
        assert heatmap.outside_lungs is None


def test_lungs_are_given_as_a_mask_or_drawn_by_a_segmenter(client, fake, xray, tmp_path) -> None:
    path = tmp_path / "mask.png"
    path.write_bytes(a_mask())
    for mask in (path, path.read_bytes()):
        result = client.explain(xray, "occlusion", lung_mask=mask).result()
        assert fake.requests[-1].lungs.mask == a_mask()
        sentence = "62 % of the evidence lies outside the lungs."
        assert result.heatmaps[0].outside_lungs == OutsideLungs(0.625, 0.5, sentence, "")
    result = client.explain(xray, "occlusion", lung_segmenter="halves").result()
    assert fake.requests[-1].lungs.segmenter == "halves"
    assert result.heatmaps[0].outside_lungs.segmenter == "halves"


def test_what_no_server_could_understand_is_not_sent(client, fake, xray) -> None:
    with pytest.raises(InvalidRequest, match="not both"):
        client.explain(xray, "occlusion", lung_mask=a_mask(), lung_segmenter="halves")
    with pytest.raises(InvalidRequest, match="the parameters of road are not JSON") as caught:
        client.explain(xray, "occlusion", measures={"road": {"steps": object()}})
    assert caught.value.violations[0].field == "measures.parameters"
    assert fake.requests == []


def test_the_list_has_measures_and_segmenters(client) -> None:
    catalogue = client.list_methods()
    assert [measure.name for measure in catalogue.measures] == ["deletion", "road"]
    measure = catalogue.measures[0]
    assert [(value.name, value.better) for value in measure.values] == [
        ("above_random", "higher"),
        ("area", "unspecified"),
    ]
    assert measure.parameters_schema["properties"]["steps"]["default"] == 10
    assert [one.name for one in catalogue.segmenters] == ["halves"]


async def test_the_asynchronous_client_asks_and_answers_alike(fake, xray) -> None:
    async with AsyncClient(fake.address) as client:
        stream = client.explain(xray, "occlusion", measures="deletion", lung_mask=a_mask())
        heatmap = (await stream.result()).heatmaps[0]
        assert heatmap.measurements[0].values["above_random"] == 0.25
        assert heatmap.outside_lungs.share == 0.625
        await client.plan(xray, "occlusion", measures="deletion")
        assert [call.name for call in fake.requests[-1].measures] == ["deletion"]
        fake.judges = False
        with pytest.raises(Unsupported, match="older than measures"):
            await client.plan(xray, "occlusion", measures="deletion")


def test_a_map_of_an_older_server_does_not_pass_for_a_measured_one(client, fake, xray) -> None:
    fake.judges = False
    asked = {"measures": ["deletion", ("road", {"steps": 20})], "lung_segmenter": "halves"}
    result = client.explain(xray, "occlusion", models=["net_a", "chest_xray"], partial=True, **asked).result()
    network, ensemble = result.heatmaps
    assert [(one.measure, one.values) for one in network.measurements] == [("deletion", {}), ("road", {})]
    assert all("older than measures" in one.refusal for one in network.measurements)
    assert ensemble.measurements == ()
    for heatmap in result.heatmaps:
        assert (heatmap.outside_lungs.share, heatmap.outside_lungs.area) == (None, None)
        assert "the server is older" in heatmap.outside_lungs.sentence
    with pytest.raises(Unsupported, match="older than measures"):
        client.plan(xray, "occlusion", measures="deletion")


def test_a_job_that_is_watched_on_is_told_of_too(client, fake, xray) -> None:
    fake.judges = False
    fake.breaks = [(2, None)]
    result = client.explain(xray, "occlusion", measures="deletion", reconnect=True).result()
    assert all(one.measurements[0].refusal for one in result.heatmaps)


def test_the_command_asks_prints_and_writes_what_was_measured(program, fake, xray, tmp_path) -> None:
    (tmp_path / "mask.png").write_bytes(a_mask())
    ran = program(
        "explain", xray, "--method", "occlusion", "--measure", "deletion", "--measure", "road",
        "--set", "road.steps=20", "--set", "occlusion.window=4", "--lung-mask", tmp_path / "mask.png", "--out", tmp_path / "out",
        "--address", fake.address,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    request = fake.requests[0]
    assert [(call.name, dict(call.parameters)) for call in request.measures] == [
        ("deletion", {}),
        ("road", {"steps": 20}),
    ]
    assert dict(request.methods[0].parameters) == {"window": 4}
    assert request.lungs.mask == a_mask()
    assert "above random 0.25" in ran.out
    assert "none: the map is constant" in ran.out
    assert "net_a v3, Viral Pneumonia, occlusion: 62 % of the evidence lies outside the lungs." in ran.out
    document = json.loads((tmp_path / "out" / "result.json").read_text())
    heatmap = document["heatmaps"][0]
    assert heatmap["measurements"][0]["values"] == {"above_random": 0.25, "area": 0.5}
    assert heatmap["outside_lungs"]["share"] == 0.625
    assert document["asked"]["measures"] == {"deletion": {}, "road": {"steps": 20}}
    assert document["asked"]["lung_mask"].endswith("mask.png")


def test_the_command_knows_all_measures_and_whose_settings_are_whose(program, fake, xray) -> None:
    arguments = ["explain", xray, "--method", "occlusion", "--address", fake.address]
    assert program(*arguments, "--measure", "all", "--dry-run").code == 0
    assert [call.name for call in fake.requests[0].measures] == ["deletion", "road"]
    ran = program(*arguments, "--measure", "deletion", "--set", "road.steps=2")
    assert ran.code != 0
    assert "road is not among the methods and measures asked for" in " ".join(ran.err.split())


def test_methods_lists_measures_and_segmenters(program, fake) -> None:
    ran = program("methods", "--measures", "--address", fake.address)
    assert ran.code == 0
    for words in ("deletion", "above_random", "higher", "steps=10", "Two halves"):
        assert words in ran.out
    document = json.loads(program("methods", "--measures", "--json", "--address", fake.address).out)
    assert [one["name"] for one in document["measures"]] == ["deletion", "road"]
    assert document["segmenters"][0]["name"] == "halves"
