"""What Triton died of, as far as the loader of model sets can tell."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from radiolucent.handlers.repository import Repository
from radiolucent.server.triton.deaths import Deaths
from radiolucent.server.triton.errors import TritonProcessDied, TritonUnavailable
from radiolucent.server.triton.model_sets import ModelSetLoader

KEY = ("chest_xray", 2)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Loader:
    """A loader whose loads end as told: with an error, or well (None)."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.sick = asyncio.Event()
        client: Any = SimpleNamespace(sick=self.sick)
        view: Any = SimpleNamespace()
        self.loader = ModelSetLoader(Repository(folder), view, client, clock=clock)
        self.end: Exception | None = None
        self.loads = 0
        self.loader._load_set = self._load  # type: ignore[method-assign]

    async def _load(self, version: int) -> None:
        self.loads += 1
        if self.end is not None:
            raise self.end

    async def attempt(self, end: Exception | None) -> bool:
        self.end = end
        try:
            return await self.loader._try_set(2)
        except TritonUnavailable:
            return False

    @property
    def refused(self) -> tuple[str, ...]:
        return tuple(one.reason for one in self.loader.status(available=True).refused)


@pytest.fixture
def loader(tmp_path: Path, clock: Clock) -> Loader:
    return Loader(tmp_path, clock)


async def test_a_load_that_works_wipes_earlier_deaths_out(loader: Loader) -> None:
    for _ in range(3):
        assert not await loader.attempt(TritonUnavailable("gone"))
        assert await loader.attempt(None)
    assert loader.refused == ()


async def test_triton_that_is_ended_for_something_else_speaks_against_no_set(loader: Loader) -> None:
    loader.sick.set()
    for _ in range(3):
        await loader.attempt(TritonUnavailable("ended by its supervisor"))
    assert loader.refused == ()


async def test_a_set_whose_own_processes_die_is_refused(loader: Loader) -> None:
    loader.sick.set()
    for _ in range(2):
        await loader.attempt(TritonProcessDied("stub"))
    assert len(loader.refused) == 1


async def test_a_process_that_dies_is_told_from_a_set_that_cannot_be_loaded_also_where_triton_is_ended_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def load(name: str) -> None:
        raise TritonProcessDied(f"stub of {name}")

    async def unload(name: str) -> None:
        raise TritonUnavailable("ended by its supervisor")

    client: Any = SimpleNamespace(load=load, unload=unload, sick=asyncio.Event())
    view: Any = SimpleNamespace(place_set=lambda loaded: ["resnet34@2"])
    loader = ModelSetLoader(Repository(tmp_path), view, client)
    monkeypatch.setattr(loader, "_checked_set", lambda version: SimpleNamespace(cards={}))
    monkeypatch.setattr(loader, "_keep", lambda what, cards, loaded: None)
    with pytest.raises(TritonProcessDied, match="stub of resnet34@2"):
        await loader._load_set(2)


async def test_what_was_served_is_told_until_triton_is_restored_and_comes_first_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where Triton dies a second time while it is restored, and a newer set was published meanwhile."""
    repository = Repository(tmp_path)
    loader = ModelSetLoader(repository, cast(Any, SimpleNamespace()), cast(Any, SimpleNamespace(sick=asyncio.Event())))
    versions: tuple[int, ...] = (1,)
    end: Exception | None = None
    tried: list[int] = []
    told: list[int | None] = []

    def served() -> int | None:
        current = loader.status(available=False).model_set
        return current.model_set.version if current else None

    async def load(version: int) -> None:
        tried.append(version)
        told.append(served())
        if end is not None:
            raise end
        loader._current = cast(Any, SimpleNamespace(model_set=SimpleNamespace(version=version, members={}), cards={}))

    monkeypatch.setattr(Repository, "set_versions", lambda self: versions)
    monkeypatch.setattr(loader, "_load_set", load)
    await loader.restore()
    assert told == [None]
    versions = (1, 2)
    end = TritonUnavailable("gone")
    with pytest.raises(TritonUnavailable):
        await loader.restore()
    assert served() == 1
    end = None
    await loader.restore()
    assert tried == [1, 1, 1]
    assert told == [None, 1, 1]
    assert served() == 1


async def test_a_refusal_for_deaths_is_not_for_life(loader: Loader, clock: Clock) -> None:
    for _ in range(2):
        await loader.attempt(TritonUnavailable("gone"))
    assert "stopped working while it loaded" in loader.refused[0]
    assert not await loader.attempt(None)
    assert loader.loads == 2, "it is left alone for a while"
    clock.now += 301
    assert await loader.attempt(None)
    assert loader.refused == ()


def test_every_death_doubles_the_wait_up_to_a_day(clock: Clock) -> None:
    deaths = Deaths(clock)
    assert not deaths.count(KEY)
    assert not deaths.due(KEY)
    for wait in (300, 600, 1200):
        assert deaths.count(KEY)
        clock.now += wait - 1
        assert not deaths.due(KEY)
        clock.now += 1
        assert deaths.due(KEY)
    for _ in range(100):
        deaths.count(KEY)
    clock.now += 24 * 3600
    assert deaths.due(KEY)
