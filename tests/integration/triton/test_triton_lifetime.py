"""Triton dies and comes back, stops and leaves nothing, does not outlive its gateway."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from radiolucent.handlers.repository import Repository
from radiolucent.server.leftovers import owned_folder
from radiolucent.server.triton import (
    EmbeddedOptions,
    EmbeddedTriton,
    NoModelSet,
    ServingStatus,
    TritonOptions,
    TritonServing,
    TritonUnavailable,
    embedded,
    warden,
)
from radiolucent.server.triton.warden import SHARED_MEMORY

pytestmark = pytest.mark.timeout(180)
in_one_loop = pytest.mark.asyncio(loop_scope="module")


class Traces:
    """What an embedded Triton leaves on this machine while it runs."""

    def __init__(self, triton: EmbeddedTriton) -> None:
        assert triton._warden is not None
        self.folder = triton.models.parent
        self.prefix = embedded._shm_prefix(self.folder)
        self.warden = psutil.Process(triton._warden.pid)
        self.processes = [self.warden, *self.warden.children(recursive=True)]
        self.triton = next(process for process in self.processes if process.name() == "tritonserver")

    @property
    def regions(self) -> list[Path]:
        return list(SHARED_MEMORY.glob(f"{self.prefix}*"))

    def left(self) -> list[object]:
        alive = [p for p in self.processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        return [*alive, *self.regions, *([self.folder] if self.folder.exists() else [])]


def traces(serving: TritonServing) -> Traces:
    assert serving._embedded is not None
    return Traces(serving._embedded)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(
    tmp_path_factory: pytest.TempPathFactory, write_set: Callable[..., int]
) -> AsyncIterator[TritonServing]:
    """One Triton for all tests that leave it serving."""
    repository = Repository(tmp_path_factory.mktemp("lasting") / "models")
    write_set(repository, seed=1)
    options = TritonOptions(repository.root, embedded=EmbeddedOptions(drain_seconds=3), refresh_seconds=3600)
    async with TritonServing(options) as serving:
        yield serving


async def answers_again(serving: TritonServing, image: bytes, seconds: float = 90) -> float:
    """Seconds until the ensemble answers."""
    start = time.monotonic()
    while time.monotonic() < start + seconds:
        with suppress(TritonUnavailable):
            await serving.infer_ensemble(image, 5)
            return time.monotonic() - start
        await asyncio.sleep(0.05)
    pytest.fail(f"no answer within {seconds} s")


async def told_until_back(serving: TritonServing, seconds: float = 90) -> list[ServingStatus]:
    """What is told, every 10 ms, from Triton's end, which nobody has noticed yet, until everything is served again."""
    start = time.monotonic()
    told = [serving.status()]
    while not (told[-1].available and any(not status.available for status in told)):
        assert time.monotonic() < start + seconds, f"not available again within {seconds} s"
        await asyncio.sleep(0.01)
        told.append(serving.status())
    return told


@in_one_loop
async def test_a_killed_triton_is_unavailable_and_comes_back(
    lasting: TritonServing, xray: Callable[..., bytes]
) -> None:
    before = await lasting.infer_ensemble(xray(), 10)
    running = [asyncio.create_task(lasting.infer_ensemble(xray(seed=i), 10)) for i in range(8)]
    killed = traces(lasting)
    killed.triton.send_signal(signal.SIGKILL)
    watched = asyncio.create_task(told_until_back(lasting))
    answers = await asyncio.gather(*running, return_exceptions=True)
    assert {type(answer) for answer in answers} <= {TritonUnavailable, type(before)}
    with pytest.raises(TritonUnavailable):
        await lasting.infer_ensemble(xray(), 5)
    told = await watched
    assert all(status.model_set is not None for status in told), "what was served is told until it is served again"
    after = await lasting.infer_ensemble(xray(), 10)
    assert after.logits.tolist() == before.logits.tolist()
    assert [process for process in killed.processes if process.is_running()] == [], "the dead one's helpers are gone"


@in_one_loop
async def test_it_comes_back_again_and_again(lasting: TritonServing, xray: Callable[..., bytes]) -> None:
    for _ in range(2):  # and once in the test before
        traces(lasting).triton.send_signal(signal.SIGKILL)
        await asyncio.sleep(0.2)
        await answers_again(lasting, xray())


@in_one_loop
async def test_a_killed_guard_takes_triton_along_and_both_come_back(
    lasting: TritonServing, xray: Callable[..., bytes]
) -> None:
    old = traces(lasting)
    old.warden.send_signal(signal.SIGKILL)
    await asyncio.sleep(0.2)
    await answers_again(lasting, xray())
    _, alive = await asyncio.to_thread(psutil.wait_procs, old.processes, timeout=30)
    assert alive == [], "not even the processes of its Python models"


@in_one_loop
@pytest.mark.parametrize("model", ["resnet34@1", "preprocess@1"])
async def test_a_killed_model_process_comes_back(
    lasting: TritonServing, xray: Callable[..., bytes], model: str
) -> None:
    """Triton itself would go on without it for ever, and call itself ready."""
    (process,) = [p for p in traces(lasting).triton.children() if f"/{model}/" in " ".join(p.cmdline())]
    process.send_signal(signal.SIGKILL)
    with pytest.raises(TritonUnavailable):
        await lasting.infer_ensemble(xray(), 5)
    await answers_again(lasting, xray())


async def test_stopping_leaves_nothing_behind(repository: Repository, xray: Callable[..., bytes]) -> None:
    serving = TritonServing(TritonOptions(repository.root))
    await serving.start()
    await serving.infer_ensemble(xray(), 10)
    seen = traces(serving)
    assert seen.regions
    assert len(seen.processes) >= 9
    await serving.stop()
    assert seen.left() == []
    with pytest.raises(TritonUnavailable):
        await serving.infer_ensemble(xray(), 1)
    await serving.stop()


@pytest.mark.first
@pytest.mark.parametrize("idle", [True, False])
async def test_stopping_leaves_no_folder_of_the_python_backend(repository: Repository, idle: bool) -> None:
    if any(warden._starts_of_tritons()):
        pytest.skip("another Triton runs here, whose folders these might be")
    before = set(warden.TEMPORARY.glob(warden.ENVIRONMENTS))
    serving = TritonServing(TritonOptions(repository.root))
    await serving.start()
    made = set(warden.TEMPORARY.glob(warden.ENVIRONMENTS)) - before
    assert made, "else the Python backend makes them elsewhere now"
    if not idle:
        traces(serving).triton.kill()
    await serving.stop()
    assert made & set(warden.TEMPORARY.glob(warden.ENVIRONMENTS)) == set()


async def test_stopping_lets_running_requests_end(repository: Repository, xray: Callable[..., bytes]) -> None:
    async with TritonServing(TritonOptions(repository.root, embedded=EmbeddedOptions(drain_seconds=60))) as serving:
        images = [xray(1500, 1500, seed=i) for i in range(8)]
        running = [asyncio.create_task(serving.infer_ensemble(image, 60)) for image in images]
        await asyncio.sleep(0)  # All of them are asked for; that Triton has them already is not said.
        await serving.stop()
        answers = await asyncio.gather(*running)
    assert [answer.set_version for answer in answers] == [1] * 8


@in_one_loop
async def test_every_model_is_started_once_and_the_repository_stays_as_it_was_published(
    lasting: TritonServing,
) -> None:
    assert len(traces(lasting).triton.children()) == 7
    assert list(lasting._options.repository.rglob("__pycache__")) == []


@in_one_loop
async def test_nobody_else_may_read_what_passes_through(lasting: TritonServing) -> None:
    await asyncio.sleep(0.1)
    seen = traces(lasting)
    private = [*seen.regions, seen.folder, *(seen.folder / name for name in ("triton.log", "grpc:1"))]
    assert len(private) > 6
    assert [path for path in private if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("guard_too", [False, True])
def test_nothing_of_a_killed_gateways_triton_is_left(repository: Repository, guard_too: bool) -> None:
    """Its guard sees to it; where that was killed as well, the next start does."""
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from radiolucent.server.triton import TritonOptions, TritonServing\n"
        "async def main():\n"
        "    async with TritonServing(TritonOptions(Path(sys.argv[1]))) as serving:\n"
        "        print(serving._embedded._warden.pid, serving.address, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    gateway = subprocess.Popen([sys.executable, "-c", program, str(repository.root)], stdout=subprocess.PIPE, text=True)
    assert gateway.stdout is not None
    with gateway, gateway.stdout:
        pid, address = gateway.stdout.readline().split()
        folder = Path(address.removeprefix("unix:")).parent
        warden = psutil.Process(int(pid))
        processes = [warden, *warden.children(recursive=True)]
        assert len(processes) >= 9
        if guard_too:
            warden.suspend()
        os.kill(gateway.pid, signal.SIGKILL)
        gateway.wait()
        if guard_too:
            warden.kill()
            embedded._sweep()
        _, alive = psutil.wait_procs(processes, timeout=20)
        alive = [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert alive == []
    assert list(SHARED_MEMORY.glob(f"{embedded._shm_prefix(folder)}*")) == []
    assert not folder.exists()


def test_what_a_living_gateway_runs_is_not_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ours = owned_folder(embedded._PREFIX, 200)
    embedded._sweep()
    assert ours.exists()
    (ours / "owner").write_text("1 1.0")
    embedded._sweep()
    assert not ours.exists()


async def test_an_empty_repository_is_said_to_be_empty(tmp_path: Path) -> None:
    serving = TritonServing(TritonOptions(tmp_path))
    with pytest.raises(NoModelSet, match="holds no model"):
        await serving.start()
    assert serving.address == "", "it was stopped again"
