"""Profiles that are stored with the model set are listed and streamed; what cannot be true is named with its reason."""
# ruff: noqa: ANN401 - messages of any kind

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status
from radiolucent.client import AsyncClient, NotFound
from radiolucent.handlers import InputSpec
from radiolucent.handlers.profile import (
    PROFILES,
    ProfileGroup,
    ProfileLayer,
    ProfileMerge,
    ProfileRecord,
    save_profile,
)
from radiolucent.handlers.repository import Repository
from radiolucent.protos.radiolucent.v1 import profile_pb2, profile_pb2_grpc
from radiolucent.server import profile_maps
from radiolucent.server.catalog import ModelCatalog
from radiolucent.server.errors import QueueFull
from radiolucent.server.interceptors import CallInterceptor
from radiolucent.server.profile_catalog import MOST_STREAMS, ProfileCatalog
from radiolucent.server.profiles import ProfileServicer
from radiolucent.server.triton.status import ServingStatus

GROUPS = ("COVID-19", "Pneumonia", "No Finding")
SERVED = "0" * 64
"""Checksum of `model.pt` on the cards of the served networks."""


def planes(channels: int, size: int) -> np.ndarray:
    """Group g's mean activation of map c is g * (c + 1) everywhere: the last map is the strongest."""
    values = np.arange(len(GROUPS))[:, None] * (np.arange(channels) + 1.0)
    return np.broadcast_to(values[:, :, None, None], (len(GROUPS), channels, size, size)).astype(np.float32)


def layer(name: str, channels: int, size: int, **changes: Any) -> ProfileLayer:
    values: dict[str, Any] = {
        "name": name,
        "channels": channels,
        "height": size,
        "width": size,
        "constant": (0,) if channels > 1 else (),
        "unvarying": (0, 1) if channels > 1 else (),
        "order": tuple(reversed(range(channels))),
        "distances": ((0.0, 0.5, 1.5), (0.5, 0.0, 1.25), (1.5, 1.25, 0.0)),
        "merges": (ProfileMerge(first=0, second=1, distance=0.5), ProfileMerge(first=2, second=3, distance=1.375)),
    }
    return ProfileLayer(**values | changes)


def record(name: str, network: str, *layers: ProfileLayer, **changes: Any) -> ProfileRecord:
    values: dict[str, Any] = {
        "name": name,
        "network": network,
        "version": 1,
        "model_sha256": SERVED,
        "input": InputSpec(size=16),
        "data": "phantoms",
        "manifest_sha256": "2" * 64,
        "split": "test",
        "grouping": "label",
        "groups": tuple(ProfileGroup(name=group, films=90, patients=50) for group in GROUPS),
        "layers": layers or (layer("input", 1, 16), layer("conv1", 12, 8)),
        "planes_sha256": "3" * 64,
        "created": datetime(2026, 1, 2, tzinfo=timezone.utc),
    }
    return ProfileRecord(**values | changes)


Store = Callable[..., Path]


@pytest.fixture
def store(repository: Repository) -> Store:
    """Writes a profile with the model set; returns where its feature maps are."""

    def write(name: str, network: str, *layers: ProfileLayer, version: int = 1, **changes: Any) -> Path:
        folder = repository.set_dir(version) / PROFILES
        made = record(name, network, *layers, **changes)
        save_profile(folder, made, [planes(one.channels, one.height) for one in made.layers])
        return folder / name / f"{network}.npz"

    return write


Stub = Any


@pytest.fixture
async def stub(catalog: ModelCatalog) -> AsyncGenerator[Stub, None]:
    """The service behind a loopback channel, with what the gateway puts around its calls."""
    async with _serving(catalog) as found:
        yield found


class _serving:
    def __init__(self, catalog: ModelCatalog) -> None:
        self._profiles = ProfileCatalog(catalog)
        self._server = grpc.aio.server(interceptors=[CallInterceptor()])
        profile_pb2_grpc.add_ProfileServiceServicer_to_server(ProfileServicer(self._profiles), self._server)

    async def __aenter__(self) -> Stub:
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        self._channel = grpc.aio.insecure_channel(self.address)
        return profile_pb2_grpc.ProfileServiceStub(self._channel)

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()
        await self._server.stop(None)
        self._profiles.close()


async def listed(stub: Stub) -> profile_pb2.ListProfilesResponse:
    return await stub.ListProfiles(profile_pb2.ListProfilesRequest())


async def streamed(stub: Stub, name: str, network: str, **asked: Any) -> list[profile_pb2.StreamProfileResponse]:
    request = profile_pb2.StreamProfileRequest(name=name, network=network, **asked)
    return [part async for part in stub.StreamProfile(request)]


async def refusal(stub: Stub, name: str, network: str, **asked: Any) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await streamed(stub, name, network, **asked)
    fields: dict[str, str] = {}
    for packed in rpc_status.from_call(raised.value).details:
        bad = BadRequest()
        if packed.Unpack(bad):
            fields = {one.field: one.description for one in bad.field_violations}
    return raised.value.code(), raised.value.details(), fields


def array(tensor: Any) -> np.ndarray:
    return np.frombuffer(tensor.float32_le, "<f4").reshape(tensor.shape)


async def test_profiles_are_listed_by_name_and_then_as_networks_vote(stub: Stub, store: Store) -> None:
    assert not (await listed(stub)).profiles
    for name, network in (("by-source", "resnet18"), ("by-label", "resnet34"), ("by-label", "resnet18")):
        store(name, network)
    answer = await listed(stub)
    assert [(one.name, one.model.name, one.model.version) for one in answer.profiles] == [
        ("by-label", "resnet18", 1),
        ("by-label", "resnet34", 1),
        ("by-source", "resnet18", 1),
    ]
    assert not answer.broken_profiles
    head = answer.profiles[0]
    assert [(one.name, one.films, one.patients) for one in head.groups] == [(group, 90, 50) for group in GROUPS]
    facts = head.layers[1]
    assert (facts.name, facts.channels, facts.height, facts.width) == ("conv1", 12, 8, 8)
    assert (facts.constant, facts.unvarying) == (1, 2)
    assert list(facts.distances) == [0.0, 0.5, 1.5, 0.5, 0.0, 1.25, 1.5, 1.25, 0.0]
    assert [(one.first, one.second, one.distance) for one in facts.merges] == [(0, 1, 0.5), (2, 3, 1.375)]
    assert (head.alignment, head.grouping, head.data, head.split) == ("none", "label", "phantoms", "test")
    assert head.intended_use == "Research use only. Not for diagnosis."


async def test_a_profile_streams_its_head_and_then_the_strongest_maps_of_each_layer(stub: Stub, store: Store) -> None:
    store("by-label", "resnet18")
    head, *layers = await streamed(stub, "by-label", "resnet18")
    assert head.head.name == "by-label"
    assert [part.layer.name for part in layers] == ["input", "conv1"]
    maps = layers[1].layer
    assert list(maps.channels) == [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]  # ten, where the caller does not say
    assert array(maps.contrasts).shape == (3, 10, 8, 8)
    assert array(maps.contrasts)[:, 0, 0, 0].tolist() == [-12.0, 0.0, 12.0]
    assert array(maps.means)[:2, 5, 5].tolist() == [12.0, 11.0]


async def test_layers_and_the_number_of_maps_can_be_chosen(stub: Stub, store: Store) -> None:
    store("by-label", "resnet18")
    _, *layers = await streamed(stub, "by-label", "resnet18", layers=["conv1", "conv1"], strongest=2)
    assert [(part.layer.name, list(part.layer.channels)) for part in layers] == [("conv1", [11, 10])]
    _, *layers = await streamed(stub, "by-label", "resnet18", layers=["conv1", "input"], strongest=100)
    assert [(part.layer.name, len(part.layer.channels)) for part in layers] == [("input", 1), ("conv1", 12)]


async def test_large_maps_are_sent_as_many_as_fit_into_a_message(
    stub: Stub, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store("by-label", "resnet18")
    monkeypatch.setattr(profile_maps, "MOST_LAYER_BYTES", 3 * 4 * 4 * 8 * 8)  # three maps of three groups and a mean
    _, *layers = await streamed(stub, "by-label", "resnet18")
    assert [list(part.layer.channels) for part in layers] == [[0], [11, 10, 9]]


async def test_every_field_that_is_wrong_is_named_with_what_there_is(stub: Stub, store: Store) -> None:
    store("by-label", "resnet18")
    code, _, fields = await refusal(stub, "by-label", "resnet18", layers=["conv1", "conv9"], strongest=101)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert fields == {
        "layers[1]": "unknown layer; there are: input, conv1",
        "strongest": "at most 100 feature maps of a layer; 0 stands for 10",
    }


@pytest.mark.parametrize(
    ("name", "network"), [("by-age", "resnet18"), ("by-label", "resnet34"), ("../profiles/by-label", "resnet18")]
)
async def test_an_unknown_profile_is_not_found(stub: Stub, store: Store, name: str, network: str) -> None:
    store("by-label", "resnet18")
    code, text, _ = await refusal(stub, name, network)
    assert code is grpc.StatusCode.NOT_FOUND
    assert text == "unknown profile; there are: by-label of resnet18"


async def _is_broken(stub: Stub, network: str, reason: str, root: Path) -> None:
    answer = await listed(stub)
    (broken,) = answer.broken_profiles
    assert (broken.name, broken.network) == ("by-label", network)
    assert reason in broken.reason
    code, text, _ = await refusal(stub, "by-label", network)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert text == broken.reason
    assert str(root) not in text
    assert [one.model.name for one in answer.profiles] == ["resnet34"]  # the sound one beside it


@pytest.mark.parametrize(
    ("network", "reason"), [("resnet18", "of other weights than those of version 1"), ("densenet", "no network of")]
)
async def test_a_profile_of_other_weights_is_not_served(
    stub: Stub, store: Store, repository: Repository, network: str, reason: str
) -> None:
    store("by-label", "resnet34")
    store("by-label", network, model_sha256="9" * 64)
    await _is_broken(stub, network, reason, repository.root)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def _spoil_record(file: Path) -> None:
    file.with_suffix(".json").write_text('{"schema_version": 1')


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_cut, "its file of feature maps is not the file that the record was written for"),
        (Path.unlink, "its file of feature maps cannot be read: No such file"),
        (_spoil_record, "its record is not the record of a profile"),
    ],
)
async def test_a_damaged_profile_is_not_served(
    stub: Stub, store: Store, repository: Repository, damage: Callable[[Path], None], reason: str
) -> None:
    store("by-label", "resnet34")
    file = store("by-label", "resnet18")
    assert len((await listed(stub)).profiles) == 2  # what was sound once is looked at again
    damage(file)
    await _is_broken(stub, "resnet18", reason, repository.root)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"order": (0, 1, 2)}, "does not name each feature map once"),
        ({"order": (0, 1, 2, 4)}, "does not name each feature map once"),
        ({"constant": (7,)}, "does not exist is dead"),
        ({"distances": ((0.0, 1.0), (1.0, 0.0))}, "not one for each pair"),
        (
            {"merges": (ProfileMerge(first=0, second=1, distance=1), ProfileMerge(first=0, second=2, distance=1))},
            "join",
        ),
        ({"merges": (ProfileMerge(first=0, second=7, distance=1),)}, "join"),
        ({"merges": (ProfileMerge(first=0, second=1, distance=1),)}, "join"),
    ],
)
async def test_a_record_that_contradicts_itself_is_not_served(
    stub: Stub, store: Store, repository: Repository, changes: dict[str, Any], reason: str
) -> None:
    store("by-label", "resnet34")
    store("by-label", "resnet18", layer("conv1", 4, 8, **changes))
    await _is_broken(stub, "resnet18", reason, repository.root)


async def test_values_that_are_not_finite_are_not_served(stub: Stub, store: Store, repository: Repository) -> None:
    store("by-label", "resnet34")
    values = planes(4, 8)
    values[1, 2, 3, 4] = np.nan
    save_profile(repository.set_dir(1) / PROFILES, record("by-label", "resnet18", layer("conv1", 4, 8)), [values])
    await _is_broken(stub, "resnet18", "conv1 hold values that are not finite", repository.root)


async def test_groups_of_few_patients_are_not_served(stub: Stub, store: Store, repository: Repository) -> None:
    store("by-label", "resnet34")
    few = tuple(ProfileGroup(name=group, films=90, patients=9 + place) for place, group in enumerate(GROUPS))
    store("by-label", "resnet18", groups=few)
    await _is_broken(stub, "resnet18", f"come near to an X-ray: {GROUPS[0]}; profile again", repository.root)


async def test_what_is_listed_changes_with_the_set_that_is_served(
    repository: Repository, status: ServingStatus, store: Store
) -> None:
    store("old", "resnet18")
    store("new", "resnet18", version=2)
    loaded = status.model_set
    assert loaded is not None
    second = replace(loaded, model_set=loaded.model_set.model_copy(update={"version": 2}))
    now = status
    async with _serving(ModelCatalog(repository, lambda: now)) as stub:
        assert [one.name for one in (await listed(stub)).profiles] == ["old"]
        now = replace(status, model_set=second)
        assert [one.name for one in (await listed(stub)).profiles] == ["new"]
        assert (await refusal(stub, "old", "resnet18"))[0] is grpc.StatusCode.NOT_FOUND
        now = replace(status, model_set=None)
        assert (await refusal(stub, "new", "resnet18"))[0] is grpc.StatusCode.UNAVAILABLE


async def test_a_place_for_a_stream_is_given_back_and_there_are_few(catalog: ModelCatalog) -> None:
    profiles = ProfileCatalog(catalog)
    for _ in range(MOST_STREAMS + 1):
        with profiles.turn():
            pass
    turns = [profiles.turn() for _ in range(MOST_STREAMS)]
    for turn in turns:
        turn.__enter__()
    with pytest.raises(QueueFull) as raised, profiles.turn():
        pass
    assert raised.value.retry_seconds > 0
    profiles.close()


async def test_the_client_gets_what_was_stored(catalog: ModelCatalog, store: Store) -> None:
    store("by-label", "resnet18")
    store("by-label", "resnet34", model_sha256="9" * 64)
    service = _serving(catalog)
    async with service, AsyncClient(service.address) as client:
        found = await client.profiles()
        assert [(head.name, head.model.name) for head in found] == [("by-label", "resnet18")]
        assert [(one.network, one.reason[:22]) for one in found.broken_profiles] == [
            ("resnet34", "it is of other weights")
        ]
        profile = await client.profile("by-label", "resnet18", layers="conv1", strongest=3)
        (maps,) = profile.layers
        expected = planes(12, 8)[:, [11, 10, 9]]
        np.testing.assert_array_equal(maps.means, expected.mean(axis=0))
        np.testing.assert_array_equal(maps.contrasts, expected - expected.mean(axis=0))
        assert maps.facts == profile.head.layers[1] == found.profiles[0].layers[1]
        assert maps.facts.distances[0] == (0.0, 0.5, 1.5)
        with pytest.raises(NotFound, match="there are: by-label of resnet18, resnet34"):
            await client.profile("by-age", "resnet18")
