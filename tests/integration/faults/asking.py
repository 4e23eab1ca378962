"""Requests of the tests of faults, and what came of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from radiolucent.protos.radiolucent.v1 import classification_pb2, classification_pb2_grpc, image_pb2
from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb
from radiolucent.protos.radiolucent.v1 import explanation_pb2_grpc as explanation

from ..streams import happenings

Maps = dict[tuple[str, int, str, str], np.ndarray[Any, np.dtype[np.float32]]]
T = TypeVar("T")


def wait_until(look: Callable[[], T], seconds: float = 40) -> T:
    """Ask until the answer is true; return it."""
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < deadline, f"not so within {seconds:g} s"
        time.sleep(0.05)
    return answer


def request(png: bytes, *methods: str, window: int = 16, stride: int = 8, **values: Any) -> pb.ExplainRequest:  # noqa: ANN401
    calls = [pb.MethodCall(name=name) for name in methods]
    for call in calls:
        if call.name == "occlusion":
            call.parameters.update({"window": window, "stride": stride, "batch_size": 1})
    return pb.ExplainRequest(xray=image_pb2.XRay(file=png), methods=calls, **values)


class Running:
    """An explanation under way."""

    def __init__(self, channel: grpc.Channel, asked: pb.ExplainRequest) -> None:
        self._stub = explanation.ExplanationServiceStub(channel)
        self._stream: Iterator[pb.ExplainResponse] = self._stub.Explain(asked, timeout=150)
        self.events = [next(happenings(self._stream))]
        self.job_id = self.events[0].job_id

    @property
    def model_set(self) -> int:
        return int(self.events[0].classified.classification.model_set.version)

    def job(self) -> pb.Job:
        return self._stub.GetJob(pb.GetJobRequest(job_id=self.job_id), timeout=10).job

    def maps(self) -> Maps:
        """Read to the end, which has to be a good one; the final maps by network, version, method and label."""
        self.events += happenings(self._stream)
        assert self.events[-1].summary.state == pb.JOB_STATE_DONE, self.events[-1]
        heatmaps = [one.heatmap for one in self.events if one.WhichOneof("event") == "heatmap" and one.heatmap.final]
        return {
            (one.model.name, one.model.version, one.method, one.label): np.frombuffer(one.heatmap.float32_le, "<f4")
            for one in heatmaps
        }

    def cancel(self) -> None:
        self._stream.cancel()  # type: ignore[attr-defined]


@contextmanager
def busy_worker(channel: grpc.Channel, png: bytes) -> Iterator[Running]:
    """Occupy a worker with a network until the end of the block: about 10,000 passes."""
    running = Running(channel, request(png, "occlusion", window=4, stride=1, models=["resnet18"]))
    wait_until(lambda: running.job().last_sequence > 1)
    try:
        yield running
    finally:
        running.cancel()


def assert_same(maps: Maps, others: Maps) -> None:
    assert maps.keys() == others.keys()
    for key, values in maps.items():
        np.testing.assert_allclose(values, others[key], rtol=1e-4, atol=1e-6, err_msg=str(key))


def classify(channel: grpc.Channel, png: bytes) -> classification_pb2.Classification:
    stub = classification_pb2_grpc.ClassificationServiceStub(channel)
    return stub.Classify(classification_pb2.ClassifyRequest(xray=image_pb2.XRay(file=png)), timeout=60).classification


def assert_come_again(error: grpc.RpcError) -> None:
    """UNAVAILABLE, and when to come again."""
    assert error.code() is grpc.StatusCode.UNAVAILABLE, error
    retry = error_details_pb2.RetryInfo()
    assert any(one.Unpack(retry) for one in rpc_status.from_call(error).details)
    assert retry.retry_delay.ToMilliseconds() > 0


def assert_not_served(channel: grpc.Channel, png: bytes) -> None:
    """Neither classified nor explained: come again."""
    with pytest.raises(grpc.RpcError) as caught:
        classify(channel, png)
    assert_come_again(caught.value)
    with pytest.raises(grpc.RpcError) as caught:
        list(explanation.ExplanationServiceStub(channel).Explain(request(png, "saliency"), timeout=60))
    assert_come_again(caught.value)


def serves(channel: grpc.Channel) -> bool:
    answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
