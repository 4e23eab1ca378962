# ruff: noqa: ANN401 - classes of conftest cannot be imported
"""However a job is stopped, its workers are free at once and compute for nobody: by process accounting."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import grpc
import psutil
import pytest
from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb
from radiolucent.protos.radiolucent.v1 import explanation_pb2_grpc, image_pb2

Stub = explanation_pb2_grpc.ExplanationServiceStub
_WATCHED_SECONDS = 2.0
_PATIENCE_SECONDS = 20


@pytest.fixture
def stub(channel: grpc.Channel) -> Stub:
    return Stub(channel)


@pytest.fixture
def long(png: bytes) -> pb.ExplainRequest:
    """Work for minutes on both workers."""
    call = pb.MethodCall(name="occlusion")
    call.parameters.update({"window": 4, "stride": 1, "batch_size": 1})
    asked = pb.ExplainRequest(xray=image_pb2.XRay(file=png), methods=[call], request_id=str(uuid4()))
    asked.partial_heatmaps = True
    return asked


def workers(gateway: Any) -> list[psutil.Process]:
    return [one for one in gateway.family() if one.name().startswith("ray::Explanatio")]


def burnt(processes: list[psutil.Process], seconds: float) -> float:
    """Return the share of a core that processes take over some seconds."""

    def taken() -> float:
        return sum(sum(one.cpu_times()[:2]) for one in processes)

    before = taken()
    time.sleep(seconds)
    return (taken() - before) / seconds


def until_idle(processes: list[psutil.Process]) -> None:
    """Wait for what takes three seconds at most where nothing else runs; the work itself would take minutes."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while burnt(processes, 0.2) > 0.05:  # a tick of the clock that counts it
        assert time.monotonic() < deadline, "they compute for nobody"


def both_work(stream: Any) -> str:
    """Read until each network has shown progress; return the job."""
    seen: set[str] = set()
    for answer in stream:
        if answer.event.HasField("progress"):
            seen.add(answer.event.progress.item.model.name)
        if len(seen) == 2:
            return str(answer.event.job_id)
    raise AssertionError("the stream ended before")


def by_cancel_job(gateway: Any, stub: Stub, asked: pb.ExplainRequest) -> str:
    asked.keep_after_disconnect = True
    job_id = both_work(stub.Explain(asked, timeout=100))
    assert stub.CancelJob(pb.CancelJobRequest(job_id=job_id), timeout=10).job.state == pb.JOB_STATE_CANCELLED
    return job_id


def by_leaving(gateway: Any, stub: Stub, asked: pb.ExplainRequest) -> str:
    stream = stub.Explain(asked, timeout=100)
    job_id = both_work(stream)
    stream.cancel()
    return job_id


def by_deadline(gateway: Any, stub: Stub, asked: pb.ExplainRequest) -> str:
    events: list[pb.JobEvent] = []
    with suppress(grpc.RpcError):  # a busy machine may miss the half second that the server keeps for its last events
        events.extend(answer.event for answer in stub.Explain(asked, timeout=6))
    job_id = str(events[0].job_id)
    *_, last = stub.WatchJob(pb.WatchJobRequest(job_id=job_id), timeout=20)
    assert {one.failure for one in last.event.summary.items} == {pb.FAILURE_REASON_DEADLINE}
    return job_id


def by_death_of_the_client(gateway: Any, stub: Stub, asked: pb.ExplainRequest) -> str:
    """The client is a process of its own, which is killed."""
    code = """
        import sys, grpc
        from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb, explanation_pb2_grpc
        stub = explanation_pb2_grpc.ExplanationServiceStub(grpc.insecure_channel(sys.argv[1]))
        asked = pb.ExplainRequest.FromString(sys.stdin.buffer.read())
        seen = set()
        for answer in stub.Explain(asked, timeout=100):
            if answer.event.HasField("progress"):
                seen.add(answer.event.progress.item.model.name)
            if len(seen) == 2:
                print(answer.event.job_id, flush=True)
    """
    client = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), gateway.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert client.stdin is not None
    assert client.stdout is not None
    try:
        client.stdin.write(asked.SerializeToString())
        client.stdin.close()
        job_id = client.stdout.readline().decode().strip()
    finally:
        client.kill()
        client.wait()
        client.stdout.close()
    return job_id


@pytest.mark.parametrize("stop", [by_cancel_job, by_leaving, by_deadline, by_death_of_the_client])
def test_soon_after_a_stop_no_worker_computes(
    gateway: Any, stub: Stub, long: pb.ExplainRequest, stop: Callable[..., str]
) -> None:
    before = {one.pid for one in workers(gateway)}
    job_id = stop(gateway, stub, long)
    processes = workers(gateway)
    until_idle(processes)
    assert burnt(processes, _WATCHED_SECONDS) < 0.05
    assert {one.pid for one in workers(gateway)} == before, "workers that heed a cancellation are not replaced"
    assert stub.GetJob(pb.GetJobRequest(job_id=job_id), timeout=5).job.state == pb.JOB_STATE_CANCELLED


def test_a_running_method_stops_at_its_next_pass(stub: Stub, long: pb.ExplainRequest) -> None:
    long.keep_after_disconnect = True
    job_id = both_work(stub.Explain(long, timeout=100))
    begin = time.monotonic()
    stub.CancelJob(pb.CancelJobRequest(job_id=job_id), timeout=30)
    # The answer comes when every item has ended; one forward pass here takes some milliseconds,
    # all of them minutes.
    assert time.monotonic() - begin < 10
