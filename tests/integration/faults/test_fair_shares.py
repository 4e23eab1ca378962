# ruff: noqa: ANN401 - classes of conftest cannot be imported
"""Many callers at one gateway: nobody starves, and what is too much is refused at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb
from radiolucent.protos.radiolucent.v1 import explanation_pb2_grpc, image_pb2

from ..streams import happenings

pytestmark = pytest.mark.timeout(240)
Stub = explanation_pb2_grpc.ExplanationServiceStub
MANY = (("radiolucent-caller", "who asks for very much"),)
SINGLE = (("radiolucent-caller", "who asks for one map"),)


@pytest.fixture(scope="module")
def busy(
    tmp_path_factory: pytest.TempPathFactory, run_gateway: Callable[..., Any], model_repository: Path
) -> Iterator[Any]:
    """A gateway with one worker that takes ten jobs at a time."""
    settings = {"RADIOLUCENT_MAX_JOBS": "10", "RADIOLUCENT_DRAIN_SECONDS": "0"}
    gateway = run_gateway(tmp_path_factory.mktemp("busy"), model_repository, "--workers", "1", **settings)
    yield gateway
    gateway.process.terminate()
    assert gateway.process.wait(30) == 0


@pytest.fixture
def stub(busy: Any) -> Iterator[Stub]:
    with busy.channel() as channel:
        yield Stub(channel)


def asked(png: bytes, *methods: str, window: int = 8, **values: Any) -> pb.ExplainRequest:
    calls = [pb.MethodCall(name=name) for name in methods]
    for call in calls:
        if call.name == "occlusion":
            call.parameters.update({"window": window, "stride": window // 2, "batch_size": 1})
    return pb.ExplainRequest(xray=image_pb2.XRay(file=png), methods=calls, **values)


@pytest.fixture
def jobs(stub: Stub) -> Iterator[list[str]]:
    """Jobs that are kept, and stopped at the end."""
    started: list[str] = []
    yield started
    for job_id in started:
        stub.CancelJob(pb.CancelJobRequest(job_id=job_id), timeout=10, metadata=MANY)


def start(stub: Stub, request: pb.ExplainRequest) -> str:
    request.keep_after_disconnect = True
    stream = stub.Explain(request, timeout=60, metadata=MANY)
    job_id = next(stream).event.job_id
    stream.cancel()
    return str(job_id)


def ended_items(stub: Stub, job_ids: list[str]) -> int:
    """Count final maps in what the jobs have said so far."""
    ended = 0
    for job_id in job_ids:
        so_far = stub.GetJob(pb.GetJobRequest(job_id=job_id), timeout=5, metadata=MANY).job.last_sequence
        stream = stub.WatchJob(pb.WatchJobRequest(job_id=job_id), timeout=20, metadata=MANY)
        for answer in stream:
            ended += answer.event.HasField("heatmap") and answer.event.heatmap.final
            if answer.event.sequence >= so_far:
                break
        stream.cancel()
    return ended


@pytest.mark.parametrize("priority", [pb.PRIORITY_INTERACTIVE, pb.PRIORITY_BATCH])
def test_a_single_saliency_waits_for_the_item_that_runs_and_no_more(
    stub: Stub, png: bytes, jobs: list[str], priority: Any
) -> None:
    jobs += [start(stub, asked(png, "occlusion", priority=priority)) for _ in range(5)]
    time.sleep(1.0)
    before = ended_items(stub, jobs)
    events = list(happenings(stub.Explain(asked(png, "saliency"), timeout=60, metadata=SINGLE)))
    after = ended_items(stub, jobs)
    assert events[-1].summary.state == pb.JOB_STATE_DONE
    labels = len(events[0].classified.targets)
    # Two networks are two items, and between them the other caller has a turn as well.
    assert (after - before) / labels <= 3
    assert {stub.GetJob(pb.GetJobRequest(job_id=one), timeout=5, metadata=MANY).job.priority for one in jobs} == {
        priority
    }


def test_what_is_too_much_is_refused_at_once_with_the_time_to_come_back(
    stub: Stub, png: bytes, jobs: list[str]
) -> None:
    jobs += [start(stub, asked(png, "occlusion")) for _ in range(5)]
    begin = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        list(stub.Explain(asked(png, "saliency"), timeout=20, metadata=MANY))
    assert time.monotonic() - begin < 10, "not when one of the jobs has ended"
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    retry = error_details_pb2.RetryInfo()
    assert any(one.Unpack(retry) for one in rpc_status.from_call(caught.value).details)
    assert 1 <= retry.retry_delay.ToTimedelta().total_seconds() <= 60
    others = [answer.event for answer in stub.Explain(asked(png, "saliency"), timeout=60, metadata=SINGLE)]
    assert others[-1].summary.state == pb.JOB_STATE_DONE


def test_a_plan_can_be_asked_for_while_the_work_waits(stub: Stub, png: bytes, jobs: list[str]) -> None:
    jobs.append(start(stub, asked(png, "occlusion", window=4)))
    request = asked(png, "occlusion", "saliency", "input_x_gradient", dry_run=True)
    plan, summary = happenings(stub.Explain(request, timeout=20, metadata=SINGLE))
    assert summary.summary.state == pb.JOB_STATE_DONE
    assert not summary.summary.items
    classified = plan.classified
    assert len(classified.estimates) == len(classified.items) == 6
    shared = [one.shared_pass for one in classified.estimates if one.shared_pass]
    assert len(shared) == 4
    assert len(set(shared)) == 2
    assert classified.estimated_work.ToTimedelta().total_seconds() > 0
    assert classified.estimated_wait.ToTimedelta().total_seconds() > 0


def test_a_slow_reader_slows_nobody_and_fills_no_memory(stub: Stub, busy: Any, png: bytes) -> None:
    import psutil

    process = psutil.Process(busy.process.pid)
    request = asked(png, "occlusion", window=4, partial_heatmaps=True, attributions=True)
    slow = stub.Explain(request, timeout=100, metadata=MANY)
    job_id = next(slow).event.job_id
    time.sleep(1.0)
    before = process.memory_info().rss
    with ThreadPoolExecutor(1) as aside:
        quick = aside.submit(lambda: list(stub.Explain(asked(png, "saliency"), timeout=60, metadata=SINGLE)))
        time.sleep(6.0)
        assert quick.result()[-1].event.summary.state == pb.JOB_STATE_DONE
    sequence = stub.GetJob(pb.GetJobRequest(job_id=job_id), timeout=5, metadata=MANY).job.last_sequence
    assert sequence > 20, "the job did not wait for its reader"
    assert process.memory_info().rss - before < 40 * 2**20
    slow.cancel()
