"""Who keeps a Ray goes on whatever happens to it, and stops soon."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace

import pytest
import pytest_asyncio
from radiolucent.server.engine import ray_keeper, ray_runtime
from radiolucent.server.engine.ray_keeper import RayKeeper
from radiolucent.server.engine.ray_port import ReservedPort
from radiolucent.server.errors import CannotServe

SOON_SECONDS = 5.0


class FakeRuntime:
    """A Ray that is as alive as the test says, and whose starts may hang."""

    def __init__(self) -> None:
        self.alive: Callable[[], bool] = lambda: True
        self.starts = 0
        self.given_up = threading.Event()
        self.hangs: threading.Event | None = None
        self.begun = threading.Event()

    def start(self) -> str:
        self.restart()
        return "ray"

    def restart(self) -> None:
        self.starts += 1
        self.begun.set()
        if self.hangs is not None:
            self.hangs.wait(60)
            raise CannotServe("It does not start", "Wait")
        self.alive = lambda: True

    def give_up(self) -> None:
        self.given_up.set()

    def gpus_for_each_of(self, workers: int) -> float:
        return 0.0

    def stop(self) -> None:
        pass


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    runtime = FakeRuntime()
    monkeypatch.setattr(ray_keeper, "RayRuntime", lambda *_, **__: runtime)
    monkeypatch.setattr(ray_keeper, "_LOOK_SECONDS", 0.01)
    return runtime


@pytest.fixture
def losses() -> list[str]:
    return []


@pytest_asyncio.fixture
async def keeper(runtime: FakeRuntime, losses: list[str]) -> AsyncIterator[RayKeeper]:
    keeper = RayKeeper(None, workers=1, threads_per_worker=1, lost=lambda: losses.append("lost"))
    yield keeper
    await keeper.look_away()


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


async def test_a_ray_that_cannot_be_looked_at_is_lost_and_started_again(
    keeper: RayKeeper, runtime: FakeRuntime, losses: list[str]
) -> None:
    def broken() -> bool:
        raise ValueError("Cannot invoke RPC on closed channel!")

    await keeper.start()
    keeper.keep()
    for lost in (1, 2):
        runtime.alive = broken
        await until(lambda: len(losses) == lost and runtime.starts == lost + 1 and keeper.runs.is_set())  # noqa: B023


@pytest.mark.parametrize("gives_way", [True, False], ids=["a start that gives way", "a start that hangs"])
async def test_looking_away_waits_for_no_start(
    keeper: RayKeeper, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, gives_way: bool
) -> None:
    monkeypatch.setattr(ray_keeper, "_GIVE_UP_SECONDS", 60.0 if gives_way else 0.2)
    await keeper.start()
    keeper.keep()
    runtime.begun.clear()
    runtime.hangs, runtime.alive = runtime.given_up if gives_way else threading.Event(), lambda: False
    await until(runtime.begun.is_set)
    try:
        await asyncio.wait_for(keeper.look_away(), SOON_SECONDS)
        assert runtime.given_up.is_set()
        assert keeper.runs.is_set(), "nobody waits for it"
    finally:
        runtime.hangs.set()


async def test_a_first_start_that_is_cancelled_is_given_up(keeper: RayKeeper, runtime: FakeRuntime) -> None:
    runtime.hangs = runtime.given_up
    starting = asyncio.create_task(keeper.start())
    await until(runtime.begun.is_set)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(starting, SOON_SECONDS)


def test_a_cluster_that_cannot_be_looked_at_after_it_was_joined_is_joined_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Probe:
        broken = False

        def __init__(self) -> None:
            if self.broken:
                raise RuntimeError("no answer")
            self.closed = False

        def head_answers(self) -> bool:
            if self.closed:
                raise ValueError("Cannot invoke RPC on closed channel!")
            return True

        def close(self) -> None:
            self.closed = True

    # Not Ray itself: whoever imports it settles the token of this process.
    ray = SimpleNamespace(init=lambda **_: None, exceptions=SimpleNamespace(RayError=RuntimeError))
    monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
    monkeypatch.setattr(ray_runtime, "_job_config", lambda: None)
    monkeypatch.setattr(ray_runtime, "_shut_down", lambda _: True)
    monkeypatch.setattr(ray_runtime, "ClusterProbe", Probe)
    runtime = ray_runtime.RayRuntime("127.0.0.1:1", cpus=1, workers=1)
    runtime._join(ray)
    first = runtime._probe
    Probe.broken = True
    with pytest.raises(CannotServe, match="no answer"):
        runtime.restart()
    Probe.broken = False
    runtime.restart()
    assert runtime._probe is not first
    assert isinstance(first, Probe)
    assert first.closed
    runtime.give_up()
    with pytest.raises(CannotServe, match="stopped"):
        runtime.restart()


def test_a_reserved_port_is_given_to_nobody_else_yet_a_server_may_listen_there() -> None:
    port = ReservedPort()
    try:
        assert port.free()
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port.number))
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", port.number))
            server.listen()
            assert not port.free()
        assert port.free()
    finally:
        port.release()
