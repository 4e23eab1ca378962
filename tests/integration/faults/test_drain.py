# ruff: noqa: ANN401 - classes of conftest cannot be imported
"""How a gateway ends: SIGTERM lets jobs end, a second one does not wait, and nothing is left."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb
from radiolucent.protos.radiolucent.v1 import explanation_pb2_grpc, image_pb2
from radiolucent.server.triton.warden import SHARED_MEMORY

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def ending(tmp_path: Path, run_gateway: Callable[..., Any], model_repository: Path) -> Iterator[Any]:
    gateway = run_gateway(tmp_path, model_repository, "--workers", "1", RADIOLUCENT_DRAIN_SECONDS="40")
    family = gateway.family()
    (prefix,) = {part.rpartition("=")[2] for part in gateway.triton().cmdline() if "shm-region-prefix-name" in part}
    try:
        yield gateway
    finally:
        gateway.process.kill()
        gateway.process.wait()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert not list(SHARED_MEMORY.glob(f"{prefix}*"))


def explain(channel: grpc.Channel, png: bytes, window: int, stride: int) -> Any:
    call = pb.MethodCall(name="occlusion")
    call.parameters.update({"window": window, "stride": stride, "batch_size": 1})
    asked = pb.ExplainRequest(xray=image_pb2.XRay(file=png), methods=[call])
    stream = explanation_pb2_grpc.ExplanationServiceStub(channel).Explain(asked, timeout=100)
    for answer in stream:
        if answer.event.HasField("progress"):
            return stream
    raise AssertionError("it ended before")


def test_on_sigterm_running_jobs_end_and_new_ones_go_elsewhere(ending: Any, png: bytes) -> None:
    with ending.channel() as channel:
        stream = explain(channel, png, 8, 4)
        ending.process.send_signal(signal.SIGTERM)
        check = health_pb2_grpc.HealthStub(channel).Check
        deadline = time.monotonic() + 30
        while check(health_pb2.HealthCheckRequest(), timeout=5).status != health_pb2.HealthCheckResponse.NOT_SERVING:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        with pytest.raises(grpc.RpcError) as caught:
            explain(channel, png, 8, 4)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        events = [answer.event for answer in stream]  # ends without an error
    summary = events[-1].summary
    assert summary.state == pb.JOB_STATE_DONE
    assert not any(one.failure for one in summary.items)
    assert ending.process.wait(20) == 0


def test_a_second_signal_does_not_wait(ending: Any, png: bytes) -> None:
    with ending.channel() as channel:
        stream = explain(channel, png, 4, 1)
        ending.process.send_signal(signal.SIGTERM)
        time.sleep(1.0)
        assert ending.process.poll() is None
        begin = time.monotonic()
        ending.process.send_signal(signal.SIGTERM)
        events: list[pb.JobEvent] = []
        with pytest.raises(grpc.RpcError) as caught:
            events.extend(answer.event for answer in stream)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert ending.process.wait(20) == 0
    assert time.monotonic() - begin < 30, "before the 40 s of the drain are over"
