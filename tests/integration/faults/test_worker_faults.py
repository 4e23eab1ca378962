# ruff: noqa: ANN401 - classes of conftest cannot be imported
"""Methods that crash, hang, leak or eat all memory, in a real gateway: everything else goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb
from radiolucent.protos.radiolucent.v1 import explanation_pb2_grpc, image_pb2

from ..streams import happenings

pytestmark = pytest.mark.timeout(240)
Stub = explanation_pb2_grpc.ExplanationServiceStub
GIB = 2**30


@pytest.fixture(scope="module")
def faulty(
    tmp_path_factory: pytest.TempPathFactory,
    run_gateway: Callable[..., Any],
    model_repository: Path,
    misbehaving_site: Path,
) -> Iterator[Any]:
    """A gateway with two workers, short of patience and of memory, into which methods that misbehave are installed."""
    settings = {
        "RADIOLUCENT_STALL_SECONDS": "3",
        "RADIOLUCENT_WORKER_MEMORY_BYTES": str(3 * GIB),
        "RADIOLUCENT_RECYCLE_BYTES": str(GIB),
        "RADIOLUCENT_DRAIN_SECONDS": "0",
        "PYTHONPATH": os.pathsep.join([str(misbehaving_site), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
    }
    gateway = run_gateway(tmp_path_factory.mktemp("faulty"), model_repository, "--workers", "2", **settings)
    yield gateway
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(30) == 0
    assert "Traceback" not in gateway.log.read_text()


@pytest.fixture
def stub(faulty: Any) -> Iterator[Stub]:
    with faulty.channel() as channel:
        yield Stub(channel)


@pytest.fixture
def explain(stub: Stub, png: bytes) -> Callable[..., list[pb.JobEvent]]:
    def run(*methods: str, models: tuple[str, ...] = ()) -> list[pb.JobEvent]:
        calls = [pb.MethodCall(name=name) for name in methods]
        for call in calls:
            if call.name == "integrated_gradients":
                call.parameters.update({"steps": 8})
        asked = pb.ExplainRequest(xray=image_pb2.XRay(file=png), methods=calls, models=models)
        return list(happenings(stub.Explain(asked, timeout=120)))

    return run


def outcome(events: list[pb.JobEvent]) -> tuple[dict[str, int], dict[str, set[int]]]:
    """Final maps by method, and reasons of failures by method."""
    maps: dict[str, int] = {}
    failures: dict[str, set[int]] = {}
    for event in events:
        if event.HasField("heatmap") and event.heatmap.final:
            maps[event.heatmap.method] = maps.get(event.heatmap.method, 0) + 1
        elif event.HasField("failure"):
            failures.setdefault(event.failure.item.method, set()).add(event.failure.reason)
    assert events[-1].summary.state == pb.JOB_STATE_DONE
    assert {one.item.method for one in events[-1].summary.items if one.failure} == set(failures)
    return maps, failures


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("segfault", pb.FAILURE_REASON_WORKER),
        ("stalled", pb.FAILURE_REASON_WORKER),
        ("hungry_torch", pb.FAILURE_REASON_OUT_OF_MEMORY),
        ("hungry_numpy", pb.FAILURE_REASON_OUT_OF_MEMORY),
    ],
)
def test_a_method_that_misbehaves_fails_alone(
    explain: Callable[..., list[pb.JobEvent]], faulty: Any, method: str, reason: int
) -> None:
    events = explain(method, "saliency", "integrated_gradients", models=("resnet18",))
    maps, failures = outcome(events)
    labels = len(events[0].classified.targets)
    assert maps == {"saliency": labels, "integrated_gradients": labels}
    assert failures == {method: {reason}}
    assert faulty.process.poll() is None
    # And the workers are there for the next.
    assert outcome(explain("saliency")) == ({"saliency": 2 * labels}, {})


def workers(gateway: Any) -> list[psutil.Process]:
    return [one for one in gateway.family() if one.name().startswith("ray::Explanatio")]


def test_an_item_whose_worker_is_killed_is_computed_elsewhere(stub: Stub, faulty: Any, png: bytes) -> None:
    call = pb.MethodCall(name="occlusion")
    call.parameters.update({"window": 6, "stride": 3, "batch_size": 1})
    asked = pb.ExplainRequest(xray=image_pb2.XRay(file=png), methods=[call, pb.MethodCall(name="saliency")])
    asked.partial_heatmaps = True
    stream = happenings(stub.Explain(asked, timeout=120))
    events = []
    for event in stream:
        events.append(event)
        if event.HasField("heatmap") and event.heatmap.method == "occlusion":
            break
    for worker in workers(faulty):
        worker.kill()
    events += stream
    maps, failures = outcome(events)
    labels = len(events[0].classified.targets)
    assert (maps, failures) == ({"saliency": 2 * labels, "occlusion": 2 * labels}, {})
    fractions = [one.progress.job_fraction for one in events if one.HasField("progress")]
    assert fractions == sorted(fractions)


def resident(worker: psutil.Process) -> int:
    """Return a worker's memory, bytes; 0 where it has just ended."""
    try:
        return int(worker.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def test_a_worker_that_has_grown_is_renewed(explain: Callable[..., list[pb.JobEvent]], faulty: Any) -> None:
    explain("saliency")
    before = {one.pid for one in workers(faulty)}
    assert len(before) == 2
    for _ in range(6):  # more than a gibibyte on one of them at least
        outcome(explain("leaking", models=("resnet18",)))
    deadline = time.monotonic() + 60
    while len({one.pid for one in workers(faulty)} & before) == 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert max(resident(one) for one in workers(faulty)) < 3 * GIB
    assert not outcome(explain("saliency"))[1]
