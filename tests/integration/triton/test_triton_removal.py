"""What an operator takes away is not served any more, and nobody who asked before notices."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from radiolucent.handlers.repository import Repository, read_set
from radiolucent.server.triton import EmbeddedOptions, NoModelSet, TritonOptions, TritonServing, TritonUnavailable

from .test_triton_model_sets import constant_requests, damage

pytestmark = pytest.mark.timeout(180)
ZEROS = np.zeros((1, 1, 32, 32), np.float32)
SIZES = {"resnet18": 32, "inception_v3": 48}


@pytest.fixture
def repository(tmp_path: Path, write_set: Callable[..., int]) -> Repository:
    """A repository with one model set of two networks."""
    repository = Repository(tmp_path / "models")
    write_set(repository, seed=1, sizes=SIZES)
    return repository


def remove_set(repository: Repository, version: int) -> None:
    """The set, and the versions of its networks."""
    members = read_set(repository, version).members
    for name, number in {"chest_xray": version, "preprocess": version, "vote": version, **members}.items():
        shutil.rmtree(repository.version_dir(name, number))


async def loaded(serving: TritonServing) -> set[str]:
    return {state.name for state in await serving.client.index() if state.state != "UNAVAILABLE"}


async def test_where_the_serving_set_is_removed_the_newest_sound_one_left_answers_and_no_request_is_lost(
    serving: TritonServing, repository: Repository, write_set: Callable[..., int], xray: Callable[..., bytes]
) -> None:
    for seed in (2, 3, 4):
        write_set(repository, seed=seed, sizes=SIZES)
    damage(repository, 3)
    assert await serving.refresh()
    async with constant_requests(serving, xray()) as (seen, errors):
        remove_set(repository, 4)
        assert await serving.refresh()
        assert serving.status().model_set is not None
        answer = await serving.infer_ensemble(xray(), 10)
        assert answer.set_version == 2
    assert errors == []
    assert {version for version, _ in seen} == {4, 2}
    assert await loaded(serving) == {"chest_xray", "preprocess@2", "vote@2", "resnet18@2", "inception_v3@2"}
    # An older set that is cleared away changes nothing, and neither Triton's end nor a new set stumbles over it.
    shutil.rmtree(repository.set_dir(1))
    assert not await serving.refresh()
    assert write_set(repository, seed=5, sizes=SIZES) == 4, "the number of what was removed comes again"
    assert await serving.refresh()
    assert (await serving.infer_ensemble(xray(), 10)).set_version == 4


async def test_without_any_set_left_none_answers_until_one_is_published_also_under_the_same_numbers(
    serving: TritonServing, repository: Repository, write_set: Callable[..., int], xray: Callable[..., bytes]
) -> None:
    before = await serving.infer_ensemble(xray(), 10)
    remove_set(repository, 1)
    assert await serving.refresh()
    with pytest.raises(NoModelSet):
        await serving.infer_ensemble(xray(), 10)
    assert serving.status().available
    assert serving.status().model_set is None
    assert await loaded(serving) == set()
    assert write_set(repository, seed=2, sizes=SIZES) == 1
    assert await serving.refresh()
    after = await serving.infer_ensemble(xray(), 10)
    assert after.versions == before.versions
    assert not np.allclose(after.logits, before.logits)
    # Exchanged between two looks, it is another set too.
    remove_set(repository, 1)
    assert write_set(repository, seed=3, sizes=SIZES) == 1
    assert await serving.refresh()
    assert not np.allclose((await serving.infer_ensemble(xray(), 10)).logits, after.logits)


async def test_networks_of_a_set_that_was_removed_are_not_served_on_their_own_also_after_a_restart(
    repository: Repository,
    write_set: Callable[..., int],
    write_network: Callable[..., int],
    xray: Callable[..., bytes],
) -> None:
    options = TritonOptions(repository.root, embedded=EmbeddedOptions(drain_seconds=3), refresh_seconds=3600)
    write_network(repository, "mine", seed=1)
    async with TritonServing(options) as serving:
        write_set(repository, seed=2, sizes={"other": 32, "third": 32})
        assert await serving.refresh()
        shutil.rmtree(repository.set_dir(2))
        assert await serving.refresh()
        assert (await serving.infer_ensemble(xray(), 10)).set_version == 1
        assert set(serving.status().networks) == {"mine"}
    async with TritonServing(options) as again:
        assert set(again.status().networks) == {"mine"}
        shutil.rmtree(repository.model_dir("other"))
        await again.refresh()
        assert write_network(repository, "other", seed=3) == 1
        assert await again.refresh()
        assert set(again.status().networks) == {"mine", "other"}, "a network of one's own that came later"


async def test_a_removed_network_gives_way_to_its_earlier_version_and_then_is_gone(
    serving: TritonServing, repository: Repository, write_network: Callable[..., int]
) -> None:
    for version in (1, 2, 3):
        write_network(repository, "mine", seed=version)
        assert await serving.refresh()
    shutil.rmtree(repository.version_dir("mine", 3))
    assert await serving.refresh()
    assert (await serving.infer_network("mine", ZEROS, 10)).version == 2
    # One that is refused and removed is not named any more.
    (repository.version_dir("mine", write_network(repository, "mine", seed=4)) / "card.json").write_text("{}")
    assert not await serving.refresh()
    assert [refused.version for refused in serving.status().refused] == [3]
    for version in (1, 2, 3):
        shutil.rmtree(repository.version_dir("mine", version))
    assert await serving.refresh()
    assert serving.status().refused == ()
    with pytest.raises(TritonUnavailable):
        await serving.infer_network("mine", ZEROS, 10)
    assert "mine@2" not in await loaded(serving)


async def test_a_repository_that_is_out_of_reach_or_damaged_takes_nothing_away(
    serving: TritonServing, repository: Repository, tmp_path: Path, xray: Callable[..., bytes]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    repository.root.rename(elsewhere)
    with pytest.raises(OSError, match="No such file"):
        await serving.refresh()
    repository.root.mkdir()
    with pytest.raises(OSError, match="is it mounted"):
        await serving.refresh()
    assert (await serving.infer_ensemble(xray(), 10)).set_version == 1
    repository.root.rmdir()
    elsewhere.rename(repository.root)
    assert not await serving.refresh()
    # Damage to what is loaded is no removal either.
    (repository.set_dir(1) / "model_set.json").write_text("{")
    assert not await serving.refresh()
    assert (await serving.infer_ensemble(xray(), 10)).set_version == 1
