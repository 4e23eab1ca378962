"""Stored neuron activation profiles: listed, fetched, drawn."""
# ruff: noqa: ANN001, ANN201, ANN401 - fixtures are typed where they are made, the servicer by its contract

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from radiolucent.client import (
    AsyncClient,
    Client,
    InternalError,
    InvalidRequest,
    ModelVersion,
    ProfileGroup,
    ProfileHead,
    ProfileLayer,
    ProfileLayerFacts,
    ProfileMerge,
    Unsupported,
)
from radiolucent.client.dendrogram import leaves
from radiolucent.client.profile_drawing import draw_layer
from radiolucent.protos import image_pb2, model_pb2, profile_pb2, profile_pb2_grpc

USE = "Research use only. Not for diagnosis."
GROUPS = ("COVID-19", "Pneumonia", "No Finding")
LAYERS = {"input": (1, 24), "layer1": (4, 12)}


def tensor(values: np.ndarray) -> image_pb2.Tensor:
    return image_pb2.Tensor(shape=values.shape, float32_le=np.ascontiguousarray(values, "<f4").tobytes())


def head(network: str, name: str = "by-label") -> profile_pb2.ProfileHead:
    return profile_pb2.ProfileHead(
        name=name,
        model=model_pb2.ModelVersion(name=network, version=3),
        groups=[profile_pb2.ProfileGroup(name=group, films=9, patients=5) for group in GROUPS],
        layers=[
            profile_pb2.ProfileLayerFacts(
                name=layer,
                channels=channels,
                height=size,
                width=size,
                constant=channels // 4,
                unvarying=channels // 2,
                distances=[0, 0.5, 1, 0.5, 0, 1, 1, 1, 0],
                merges=[
                    profile_pb2.Merge(first=0, second=1, distance=0.5),
                    profile_pb2.Merge(first=3, second=2, distance=1),
                ],
            )
            for layer, (channels, size) in LAYERS.items()
        ],
        alignment="none",
        grouping="label",
        data="phantoms",
        split="test",
        intended_use=USE,
    )


@dataclass
class Profiles(profile_pb2_grpc.ProfileServiceServicer):
    """Two sound profiles and a broken one; `spoil` changes what is sent of a layer."""

    address: str = ""
    asked: list[profile_pb2.StreamProfileRequest] = field(default_factory=list)
    spoil: Any = None

    def ListProfiles(self, request, context):
        return profile_pb2.ListProfilesResponse(
            profiles=[head("net_a"), head("net_b"), head("net_a", "by-source")],
            broken_profiles=[
                profile_pb2.BrokenProfile(name="by-label", network="net_c", reason="it is of other weights")
            ],
        )

    def StreamProfile(self, request, context):
        self.asked.append(request)
        yield profile_pb2.StreamProfileResponse(head=head(request.network, request.name))
        for layer, (channels, size) in LAYERS.items():
            if request.layers and layer not in request.layers:
                continue
            contrasts = np.zeros((len(GROUPS), channels, size, size))
            contrasts[0], contrasts[1] = 1, -1
            sent = profile_pb2.ProfileLayer(
                name=layer,
                channels=range(channels),
                contrasts=tensor(contrasts),
                means=tensor(np.ones((channels, size, size))),
            )
            if self.spoil is not None:
                self.spoil(sent)
            yield profile_pb2.StreamProfileResponse(layer=sent)


@pytest.fixture
def served() -> Iterator[Profiles]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    servicer = Profiles()
    profile_pb2_grpc.add_ProfileServiceServicer_to_server(servicer, server)
    servicer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    server.stop(None).wait()


def test_profiles_are_listed_with_those_that_cannot_be_served(served) -> None:
    with Client(served.address) as client:
        found = client.profiles()
    assert [(one.name, one.model) for one in found] == [
        ("by-label", ModelVersion("net_a", 3)),
        ("by-label", ModelVersion("net_b", 3)),
        ("by-source", ModelVersion("net_a", 3)),
    ]
    assert [(one.network, one.reason) for one in found.broken_profiles] == [("net_c", "it is of other weights")]
    layer = found.profiles[0].layers[1]
    assert layer.distances == ((0, 0.5, 1), (0.5, 0, 1), (1, 1, 0))
    assert layer.merges == (ProfileMerge(0, 1, 0.5), ProfileMerge(3, 2, 1))


def test_a_profile_comes_with_read_only_arrays(served) -> None:
    with Client(served.address) as client:
        profile = client.profile("by-label", "net_a", strongest=4)
    assert [layer.facts.name for layer in profile.layers] == ["input", "layer1"]
    assert profile.layers[1].contrasts.shape == (3, 4, 12, 12)
    assert profile.layers[1].contrasts[1, 0, 5, 5] == -1
    with pytest.raises(ValueError, match="read-only"):
        profile.layers[1].contrasts[:] = 0
    assert served.asked[0].strongest == 4


async def test_the_asynchronous_client_does_the_same(served) -> None:
    async with AsyncClient(served.address) as client:
        assert len(await client.profiles()) == 3
        profile = await client.profile("by-label", "net_a", layers=["layer1"])
    assert [layer.facts.name for layer in profile.layers] == ["layer1"]


def test_an_older_server_is_named(fake) -> None:
    with Client(fake.address) as client:
        for ask in (client.profiles, lambda: client.profile("by-label", "net_a")):
            with pytest.raises(Unsupported, match="older than neuron activation profiles"):
                ask()


def _rename(layer: profile_pb2.ProfileLayer) -> None:
    layer.name = "layer9"


def _shrink(layer: profile_pb2.ProfileLayer) -> None:
    del layer.channels[-1]


@pytest.mark.parametrize(("spoil", "words"), [(_rename, "does not have: layer9"), (_shrink, "another size")])
def test_an_answer_that_cannot_be_is_an_error(served, spoil, words) -> None:
    served.spoil = spoil
    with Client(served.address) as client, pytest.raises(InternalError, match=words):
        client.profile("by-label", "net_a")


def test_a_negative_number_of_maps_is_refused_before_it_is_sent(served) -> None:
    with Client(served.address) as client, pytest.raises(InvalidRequest) as raised:
        client.profile("by-label", "net_a", strongest=-1)
    assert raised.value.violations[0].field == "strongest"
    assert not served.asked


# Pictures.


def a_layer(contrasts: np.ndarray, groups: int = 3) -> tuple[ProfileHead, ProfileLayer]:
    maps, height, width = contrasts.shape[1:]
    merges = (ProfileMerge(0, 1, 0.5), ProfileMerge(3, 2, 1.25)) if groups == 3 else ()
    facts = ProfileLayerFacts("layer1.act$", 40, height, width, 4, 10, (), merges)
    counted = tuple(ProfileGroup(name, 9, 1) for name in GROUPS[:groups])
    of = ProfileHead(
        "by-label", ModelVersion("net_a", 3), counted, (facts,), "gradient", "label", "phantoms", "test", None, USE
    )
    means = np.zeros((maps, height, width), np.float32)
    return of, ProfileLayer(facts, tuple(range(maps)), contrasts.astype(np.float32), means)


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """The figures that are drawn."""
    figures: list[Figure] = []
    save = Figure.savefig

    def note(figure: Figure, *args: Any, **kwargs: Any) -> None:
        figures.append(figure)
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", note)
    return figures


def _pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.float32)


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text"))]


def test_more_active_is_orange_less_is_blue_and_the_mean_is_white(drawn) -> None:
    contrasts = np.zeros((3, 2, 8, 8))
    contrasts[0, 0], contrasts[1, 0], contrasts[1, 1] = 2, -2, -1
    pixels = _pixels(draw_layer(*a_layer(contrasts)))
    axes = drawn[0].axes[0]
    assert pixels.shape[:2] == tuple(int(side) for side in drawn[0].bbox.size[::-1])
    assert len(axes.images) == 6

    def colour(group: int, place: int) -> np.ndarray:
        x, y = axes.transData.transform((place + 0.5, group + 0.5))
        return pixels[round(len(pixels) - y), round(x)]

    assert colour(0, 0)[0] > colour(0, 0)[2] + 150
    assert colour(1, 0)[2] > colour(1, 0)[0] + 150
    # One scale: half of it is half the colour.
    assert colour(1, 1)[2] > colour(1, 1)[0] + 50 > colour(1, 0)[0] + 50
    assert colour(2, 0).min() >= 253
    assert {image.get_clim() for image in axes.images} == {(-2.0, 2.0)}


def test_a_picture_says_what_it_shows(drawn) -> None:
    draw_layer(*a_layer(np.ones((3, 2, 8, 8))))
    texts = _texts(drawn[0])
    words = "\n".join(texts)
    assert USE in texts
    assert "constant on every film: 4 of 40 (10.0%)  ·  without variance over films: 10 of 40 (25.0%)" in texts
    assert "layer1.act$  ·  net_a, version 3  ·  profile by-label" in texts
    assert "the 2 strongest of 40 feature maps, 8 x 8 px" in words
    assert "data: phantoms, test" in words
    assert "aligned by gradient" in words
    assert "9 films, 1 patient" in texts


def test_three_groups_have_a_dendrogram_and_two_have_none(drawn) -> None:
    draw_layer(*a_layer(np.ones((3, 1, 8, 8))))
    tree = drawn[0].axes[-1]
    assert [line.get_xdata().tolist() for line in tree.lines] == [[0.0, 0.5, 0.5, 0.0], [0.5, 1.25, 1.25, 0.0]]
    assert [label.get_text() for label in tree.get_yticklabels()] == list(GROUPS)
    draw_layer(*a_layer(np.ones((2, 1, 8, 8)), groups=2))
    assert not drawn[1].axes[-1].lines
    assert leaves((ProfileMerge(0, 2, 0.1), ProfileMerge(1, 3, 0.2)), 3) == (1, 0, 2)


@pytest.mark.parametrize("shape", [(3, 100, 1, 1), (3, 1, 64, 64), (3, 4, 5, 60), (2, 3, 60, 5)])
def test_everything_that_is_written_is_inside_the_picture(drawn, shape) -> None:
    of, layer = a_layer(np.random.default_rng(0).normal(size=shape) * 1e-9, groups=shape[0])
    names = ("Pneumonia without COVID-19 and without anything else at all", *(one.name for one in of.groups[1:]))
    of = replace(of, groups=tuple(ProfileGroup(name, 1000, 900) for name in names))
    draw_layer(of, layer)
    box, (width, height) = drawn[0].get_tightbbox(), drawn[0].get_size_inches()
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= width
    assert box.y1 <= height


# The command.


def test_the_command_lists_what_is_stored(program, served) -> None:
    ran = program("profiles", "--address", served.address)
    assert ran.code == 0, ran.err
    assert "by-source" in ran.out
    assert "COVID-19 (9, 5)" in ran.out
    assert USE in ran.out
    assert "by-label of net_c cannot be served: it is of other weights" in ran.err
    listed = json.loads(program("profiles", "--address", served.address, "--json").out)
    assert [(one["name"], one["model"]["name"]) for one in listed] == [
        ("by-label", "net_a"),
        ("by-label", "net_b"),
        ("by-source", "net_a"),
    ]
    assert listed[0]["layers"][1]["constant"] == 1


def test_the_command_lists_the_layers_of_a_profile(program, served) -> None:
    ran = program("profiles", "by-source", "--address", served.address)
    assert ran.code == 0, ran.err
    assert "layer1" in ran.out
    assert "1 (25.0%)" in ran.out
    assert "net_b" not in ran.out


def test_the_command_draws_every_layer_that_can_be_had(program, served, tmp_path) -> None:
    out = tmp_path / "out"
    ran = program("profiles", "by-label", "--out", out, "--address", served.address, "--json")
    assert ran.code == 4  # net_c cannot be served
    files = sorted(str(file.relative_to(out)) for file in out.rglob("*.png"))
    assert files == ["net_a/input.png", "net_a/layer1.png", "net_b/input.png", "net_b/layer1.png"]
    assert [one["files"]["layer1"] for one in json.loads(ran.out)] == ["net_a/layer1.png", "net_b/layer1.png"]
    assert _pixels((out / "net_b" / "layer1.png").read_bytes()).shape[1] >= 1000


def test_the_command_draws_what_is_chosen(program, served, tmp_path) -> None:
    chosen = ("--network", "net_a", "--layer", "layer1", "--strongest", 3)
    ran = program("profiles", "by-label", *chosen, "--out", tmp_path, "--address", served.address)
    assert ran.code == 0, ran.err
    assert [file.name for file in tmp_path.rglob("*.png")] == ["layer1.png"]
    assert f"1 pictures in {tmp_path}" in ran.out.replace("\n", "")
    assert (served.asked[0].strongest, list(served.asked[0].layers)) == (3, ["layer1"])


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (("by-age",), "there is no profile by-age; there are: by-label, by-source", 2),
        (("by-label", "--network", "net_z"), "not of net_z; it is of: net_a, net_b, net_c", 2),
        (("--out", "x"), "give its NAME", 2),
        (("by-source", "--layer", "layer9", "--out", "x"), "has no layer layer9; there are: input, layer1", 4),
    ],
)
def test_the_command_says_what_there_is(program, served, tmp_path, monkeypatch, arguments, words, code) -> None:
    monkeypatch.chdir(tmp_path)
    ran = program("profiles", *arguments, "--address", served.address)
    assert ran.code == code
    assert words in " ".join(ran.err.replace("│", " ").split())


def test_the_command_names_an_older_server(program, fake) -> None:
    ran = program("profiles", "--address", fake.address)
    assert ran.code == 1
    assert "older than neuron activation profiles" in ran.err
