"""Which model set answers: the newest sound one, and exactly one."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from radiolucent.handlers.repository import FIVE_NETWORKS, Repository, publish_set, read_set
from radiolucent.server.triton import EmbeddedOptions, NoModelSet, TritonOptions, TritonServing, TritonUnavailable

pytestmark = pytest.mark.timeout(180)


def options(repository: Repository, **more: object) -> TritonOptions:
    return TritonOptions(
        repository.root,
        embedded=EmbeddedOptions(drain_seconds=3),
        **{"refresh_seconds": 3600.0, **more},  # type: ignore[arg-type]
    )


@asynccontextmanager
async def constant_requests(
    serving: TritonServing, image: bytes
) -> AsyncIterator[tuple[Counter[tuple[int, tuple[int, ...]]], list[Exception]]]:
    """Eight callers without a pause; counts which set and which versions answered."""
    seen: Counter[tuple[int, tuple[int, ...]]] = Counter()
    errors: list[Exception] = []
    stop = asyncio.Event()

    async def call() -> None:
        while not stop.is_set():
            try:
                answer = await serving.infer_ensemble(image, 20)
            except Exception as error:  # noqa: BLE001, PERF203 - the test shows them
                errors.append(error)
            else:
                seen[(answer.set_version, answer.versions)] += 1

    callers = [asyncio.create_task(call()) for _ in range(8)]
    await asyncio.sleep(0.3)
    try:
        yield seen, errors
        await asyncio.sleep(0.3)
    finally:
        stop.set()
        await asyncio.gather(*callers)


def damage(repository: Repository, version: int, member: str = "inception_v3") -> None:
    folder = repository.member_version_dir(member, read_set(repository, version).members[member])
    with (folder / "model.onnx").open("r+b") as file:
        file.seek(200)
        file.write(b"\0\1\2\3" * 20)


async def test_while_a_new_set_loads_every_answer_is_of_one_set_and_none_fails(
    serving: TritonServing, repository: Repository, write_set: Callable[..., int], xray: Callable[..., bytes]
) -> None:
    async with constant_requests(serving, xray()) as (seen, errors):
        write_set(repository, seed=2, keep={"resnet18": 1})
        assert await serving.refresh()
        await asyncio.sleep(0.3)
        # Other input sizes, and a network served by another backend.
        write_set(repository, seed=3, sizes=dict.fromkeys(FIVE_NETWORKS, 56), torchscript=("densenet161",))
        assert await serving.refresh()
        await asyncio.sleep(0.3)
        # Other networks.
        write_set(repository, seed=4, sizes={"densenet161": 32, "resnet34": 48, "new": 40})
        assert await serving.refresh()
    assert errors == []
    assert set(seen) == {(version, tuple(read_set(repository, version).members.values())) for version in (1, 2, 3, 4)}
    assert min(seen.values()) > 3
    served = {state.name for state in await serving.client.index() if state.state == "READY"}
    assert served == {"chest_xray", "preprocess@4", "vote@4", "densenet161@4", "resnet34@4", "new@1"}


async def test_a_new_set_is_found_without_asking(
    repository: Repository, write_set: Callable[..., int], xray: Callable[..., bytes]
) -> None:
    async with TritonServing(options(repository, refresh_seconds=0.1)) as serving:
        write_set(repository, seed=2)
        for _ in range(100):
            await asyncio.sleep(0.1)
            if (await serving.infer_ensemble(xray(), 10)).set_version == 2:
                return
    pytest.fail("set 2 never answered")


async def test_a_corrupt_set_is_refused_and_the_last_good_one_serves_also_after_a_restart(
    serving: TritonServing, repository: Repository, write_set: Callable[..., int], xray: Callable[..., bytes]
) -> None:
    write_set(repository, seed=2)
    damage(repository, 2)
    async with constant_requests(serving, xray()) as (seen, errors):
        assert not await serving.refresh()
    assert errors == []
    assert {version for version, _ in seen} == {1}
    (refused,) = serving.status().refused
    assert (refused.name, refused.version) == ("chest_xray", 2)
    assert "inception_v3/2/model.onnx" in refused.reason
    await serving.stop()
    async with TritonServing(options(repository)) as again:
        assert (await again.infer_ensemble(xray(), 10)).set_version == 1
        assert [refused.version for refused in again.status().refused] == [2]


async def test_a_set_that_triton_cannot_load_is_refused(
    serving: TritonServing, repository: Repository, write_network: Callable[..., int], xray: Callable[..., bytes]
) -> None:
    """Its checksums are right: it was rubbish when it was published."""
    members = {name: write_network(repository, name, seed=9) for name in FIVE_NETWORKS}
    path = repository.member_version_dir("resnet34", 2)
    (path / "model.onnx").write_bytes(b"this is no network")
    card = json.loads((path / "card.json").read_text())
    from radiolucent.handlers.repository.checksum import sha256

    card["files"]["model.onnx"] = sha256(path / "model.onnx")
    (path / "card.json").write_text(json.dumps(card))
    publish_set(repository, members)
    async with constant_requests(serving, xray()) as (seen, errors):
        assert not await serving.refresh()
    assert errors == []
    assert set(seen) == {(1, (1, 1, 1, 1, 1))}
    assert "resnet34" in serving.status().refused[0].reason
    assert {state.name for state in await serving.client.index() if state.state == "READY"} == {
        "chest_xray", "preprocess@1", "vote@1", *(f"{name}@1" for name in FIVE_NETWORKS)
    }  # fmt: skip
    assert not await serving.refresh(), "it is not tried again while it stays as it is"


async def test_a_network_that_lies_about_its_version_is_refused(
    serving: TritonServing, repository: Repository, write_network: Callable[..., int], xray: Callable[..., bytes]
) -> None:
    says = {name: 7 if name == "resnet18" else None for name in FIVE_NETWORKS}
    publish_set(repository, {name: write_network(repository, name, says=said) for name, said in says.items()})
    assert not await serving.refresh()
    assert "says that it is version 7" in serving.status().refused[0].reason
    assert (await serving.infer_ensemble(xray(), 10)).set_version == 1


async def test_a_set_that_kills_triton_twice_is_refused(
    serving: TritonServing, repository: Repository, write_set: Callable[..., int], xray: Callable[..., bytes]
) -> None:
    write_set(repository, seed=2)
    killer = repository.version_dir("preprocess", 2) / "model.py"
    killer.write_text("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n")
    for _ in range(2):
        with pytest.raises(TritonUnavailable):
            await serving.refresh()
        answered = None
        for _ in range(200):  # it may still call itself available: its death is noticed a moment later
            await asyncio.sleep(0.1)
            with suppress(TritonUnavailable):
                answered = await serving.infer_ensemble(xray(), 10)
                break
        assert answered is not None
        assert answered.set_version == 1
    assert not await serving.refresh()
    assert "stopped working while it loaded" in serving.status().refused[0].reason


async def test_the_set_that_served_last_is_preferred_to_others_when_the_newest_is_corrupt(
    repository: Repository, write_set: Callable[..., int], xray: Callable[..., bytes]
) -> None:
    for seed in (2, 3):
        write_set(repository, seed=seed)
    damage(repository, 3)
    (repository.root / ".serving.json").write_text('{"set_version": 1}')
    async with TritonServing(options(repository)) as serving:
        assert (await serving.infer_ensemble(xray(), 10)).set_version == 1


async def test_with_nothing_but_corrupt_sets_the_reason_is_said(repository: Repository) -> None:
    damage(repository, 1)
    with pytest.raises(NoModelSet, match=r"checksum differs"):
        await TritonServing(options(repository)).start()


async def test_a_network_outside_any_set_is_renewed(
    serving: TritonServing, repository: Repository, write_network: Callable[..., int]
) -> None:
    import numpy as np

    for version in (1, 2):
        write_network(repository, "mine", seed=version)
        assert await serving.refresh()
        answer = await serving.infer_network("mine", np.zeros((1, 1, 32, 32), np.float32), 10)
        assert answer.version == version
    card = repository.member_version_dir("mine", write_network(repository, "mine", seed=3)) / "card.json"
    card.write_text("{}")
    assert not await serving.refresh()
    assert serving.status().networks["mine"].version == 2
    assert [(refused.name, refused.version) for refused in serving.status().refused] == [("mine", 3)]


async def test_a_read_only_state_does_not_stop_serving(
    repository: Repository, tmp_path: Path, xray: Callable[..., bytes]
) -> None:
    async with TritonServing(options(repository, state_file=tmp_path / "nowhere" / "state.json")) as serving:
        assert (await serving.infer_ensemble(xray(), 10)).set_version == 1
