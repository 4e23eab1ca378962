from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any
from uuid import uuid4

import grpc
import pytest
from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb
from radiolucent.protos.radiolucent.v1 import explanation_pb2_grpc, image_pb2

from .streams import happenings

Stub = explanation_pb2_grpc.ExplanationServiceStub


@pytest.fixture
def stub(channel: grpc.Channel) -> Stub:
    return Stub(channel)


@pytest.fixture
def long(png: bytes) -> pb.ExplainRequest:
    """About 10,000 passes on each network: nothing here waits for its end."""
    call = pb.MethodCall(name="occlusion")
    call.parameters.update({"window": 4, "stride": 1, "batch_size": 1})
    asked = pb.ExplainRequest(xray=image_pb2.XRay(file=png), methods=[call, pb.MethodCall(name="saliency")])
    asked.partial_heatmaps = True
    return asked


@pytest.fixture
def short(png: bytes) -> pb.ExplainRequest:
    call = pb.MethodCall(name="integrated_gradients")
    call.parameters.update({"steps": 8})
    methods = [pb.MethodCall(name="saliency"), call]
    return pb.ExplainRequest(xray=image_pb2.XRay(file=png), methods=methods, request_id=str(uuid4()))


def kinds(events: list[pb.JobEvent]) -> list[str]:
    return [event.WhichOneof("event") for event in events]


def state(stub: Stub, job_id: str) -> pb.Job:
    return stub.GetJob(pb.GetJobRequest(job_id=job_id), timeout=5).job


def wait_for_state(stub: Stub, job_id: str, wanted: int, seconds: float = 20) -> pb.Job:
    deadline = time.monotonic() + seconds
    while (job := state(stub, job_id)).state != wanted:
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return job


def watch(stub: Stub, job_id: str, after: int = 0) -> list[pb.JobEvent]:
    asked = pb.WatchJobRequest(job_id=job_id, after_sequence=after)
    return list(happenings(stub.WatchJob(asked, timeout=50)))


def test_who_comes_back_misses_nothing(stub: Stub, short: pb.ExplainRequest) -> None:
    short.keep_after_disconnect = True
    stream = stub.Explain(short, timeout=50)
    before = list(islice(happenings(stream), 4))
    stream.cancel()
    after = watch(stub, before[0].job_id, before[-1].sequence)
    assert after[0].sequence > before[-1].sequence
    assert kinds(after)[-1] == "summary"
    maps = {
        (event.heatmap.model.name, event.heatmap.method, event.heatmap.label)
        for event in before + after
        if event.WhichOneof("event") == "heatmap" and event.heatmap.final
    }
    items = before[0].classified.items
    assert maps == {(item.model.name, item.method, label) for item in items for label in item.labels}
    # The whole log is still there, too.
    again = watch(stub, before[0].job_id)
    assert kinds(again)[0] == "classified"
    assert [event for event in again if event.sequence > before[-1].sequence] == [
        event for event in after if event in again
    ]


def test_the_same_request_joins_its_job_and_is_computed_once(
    gateway: Any,  # noqa: ANN401 - a class of conftest
    stub: Stub,
    short: pb.ExplainRequest,
) -> None:
    before = gateway.ensemble_runs()

    def run() -> list[pb.JobEvent]:
        return [answer.event for answer in stub.Explain(short, timeout=50)]

    with ThreadPoolExecutor(2) as both:
        first, second = both.map(lambda _: run(), range(2))
    third = run()
    assert len({event.job_id for event in first + second + third}) == 1
    assert {kinds(events)[-1] for events in (first, second, third)} == {"summary"}
    assert first[-1] == second[-1] == third[-1]
    assert gateway.ensemble_runs() == before + 1


def test_a_request_id_used_for_another_request_is_refused(stub: Stub, short: pb.ExplainRequest) -> None:
    list(stub.Explain(short, timeout=50))
    short.attributions = True
    with pytest.raises(grpc.RpcError) as caught:
        list(stub.Explain(short, timeout=50))
    assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS


def test_another_callers_job_does_not_exist(stub: Stub, short: pb.ExplainRequest) -> None:
    first, *_ = stub.Explain(short, timeout=50)
    job_id = first.event.job_id
    stranger = (("radiolucent-caller", "somebody else, with a secret"),)
    calls = [
        lambda: list(stub.WatchJob(pb.WatchJobRequest(job_id=job_id), timeout=5, metadata=stranger)),
        lambda: stub.GetJob(pb.GetJobRequest(job_id=job_id), timeout=5, metadata=stranger),
        lambda: stub.CancelJob(pb.CancelJobRequest(job_id=job_id), timeout=5, metadata=stranger),
    ]
    for call in calls:
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    mine = list(stub.Explain(short, timeout=50, metadata=stranger))
    assert mine[0].event.job_id != job_id


def test_a_lost_client_cancels_its_job_and_frees_the_workers(
    stub: Stub, long: pb.ExplainRequest, short: pb.ExplainRequest
) -> None:
    stream = stub.Explain(long, timeout=50)
    job_id = next(stream).event.job_id
    until_heatmap_of(stream, "occlusion")
    stream.cancel()
    wait_for_state(stub, job_id, pb.JOB_STATE_CANCELLED)
    events = watch(stub, job_id)
    failures = [event.failure for event in events if event.WhichOneof("event") == "failure"]
    assert {one.reason for one in failures} == {pb.FAILURE_REASON_CANCELLED}
    assert events[-1].summary.state == pb.JOB_STATE_CANCELLED
    assert kinds([answer.event for answer in stub.Explain(short, timeout=20)])[-1] == "summary"


def test_a_job_that_is_kept_goes_on_without_its_client_until_it_is_cancelled(
    stub: Stub, long: pb.ExplainRequest
) -> None:
    long.keep_after_disconnect = True
    stream = stub.Explain(long, timeout=50)
    job_id = next(stream).event.job_id
    until_heatmap_of(stream, "occlusion")
    stream.cancel()
    before = state(stub, job_id)
    time.sleep(1)
    after = state(stub, job_id)
    assert after.state == pb.JOB_STATE_RUNNING
    assert after.last_sequence > before.last_sequence
    ended = stub.CancelJob(pb.CancelJobRequest(job_id=job_id), timeout=10).job
    assert ended.state == pb.JOB_STATE_CANCELLED
    assert ended.HasField("expire_time")
    assert kinds(watch(stub, job_id))[-1] == "summary"


def test_at_the_clients_deadline_the_stream_ends_with_what_there_is_and_a_summary(
    stub: Stub, long: pb.ExplainRequest
) -> None:
    events: list[pb.JobEvent] = []
    for _ in range(5):  # the server keeps half a second for its last events, in which a busy machine may miss one
        with suppress(grpc.RpcError):
            events = [answer.event for answer in stub.Explain(long, timeout=4)]
            break
    assert events, "the deadline cut every stream"
    summary = events[-1].summary
    assert summary.state == pb.JOB_STATE_CANCELLED
    reasons = {one.item.method: one.failure for one in summary.items}
    assert reasons == {"saliency": pb.FAILURE_REASON_UNSPECIFIED, "occlusion": pb.FAILURE_REASON_DEADLINE}


def test_a_silent_stream_carries_heartbeats(stub: Stub, long: pb.ExplainRequest, short: pb.ExplainRequest) -> None:
    """A long job has both workers, so that another is silent after its classification."""
    busy = stub.Explain(long, timeout=50)
    try:
        until_heatmap_of(busy, "occlusion", models=2)
        waiting = stub.Explain(short, timeout=50)
        classified = next(answer.event for answer in waiting if answer.event.HasField("classified"))
        events = [classified, *(next(waiting).event for _ in range(3))]
        assert kinds(events) == ["classified", *["heartbeat"] * 3]
        assert {event.sequence for event in events} == {1}
    finally:
        busy.cancel()
    assert kinds([answer.event for answer in waiting])[-1] == "summary"


def until_heatmap_of(stream: Iterator[pb.ExplainResponse], method: str, models: int = 1) -> None:
    """Read until a method has given maps of one network, or of more."""
    seen: set[str] = set()
    for answer in stream:
        if answer.event.WhichOneof("event") == "heatmap" and answer.event.heatmap.method == method:
            seen.add(answer.event.heatmap.model.name)
        if len(seen) == models:
            return
    pytest.fail("the stream ended before")
