from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status
from radiolucent.protos.radiolucent.v1 import (
    classification_pb2,
    classification_pb2_grpc,
    explanation_pb2,
    explanation_pb2_grpc,
    image_pb2,
    model_pb2,
    model_pb2_grpc,
)

from .streams import happenings

CLASSIFICATION = "radiolucent.v1.ClassificationService"
SERVICES = {
    CLASSIFICATION,
    "radiolucent.v1.ExplanationService",
    "radiolucent.v1.ModelService",
    "radiolucent.v1.ProfileService",
    "radiolucent.v1.ServerService",
}
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def health(channel: grpc.Channel, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    return int(stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status)


def wait_for_health(channel: grpc.Channel, wanted: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while health(channel) != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_every_service_says_that_it_serves(channel: grpc.Channel) -> None:
    assert {health(channel, service) for service in ("", *SERVICES)} == {SERVING}


def test_the_contract_can_be_asked_for_by_reflection(channel: grpc.Channel) -> None:
    reflection = ProtoReflectionDescriptorDatabase(channel)
    assert set(reflection.get_services()) >= SERVICES | {"grpc.health.v1.Health"}
    assert reflection.FindFileContainingSymbol(CLASSIFICATION).name == "radiolucent/v1/classification.proto"


def test_without_triton_nothing_is_classified_and_with_it_everything_again(
    gateway: Any,  # noqa: ANN401 - a class of conftest
    channel: grpc.Channel,
    png: bytes,
) -> None:
    classification = classification_pb2_grpc.ClassificationServiceStub(channel)
    explanation = explanation_pb2_grpc.ExplanationServiceStub(channel)
    xray = image_pb2.XRay(file=png)
    asked = explanation_pb2.ExplainRequest(
        xray=xray, methods=[explanation_pb2.MethodCall(name="saliency")], request_id=str(uuid4())
    )
    expected = classification.Classify(classification_pb2.ClassifyRequest(xray=xray), timeout=20)
    triton = gateway.triton()
    triton.kill()
    triton.wait(5)

    with pytest.raises(grpc.RpcError) as caught:
        classification.Classify(classification_pb2.ClassifyRequest(xray=xray), timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    retry = error_details_pb2.RetryInfo()
    assert any(one.Unpack(retry) for one in rpc_status.from_call(caught.value).details)
    stream = happenings(explanation.Explain(asked, timeout=20))
    event = next(stream)
    assert event.summary.state == explanation_pb2.JOB_STATE_FAILED
    with pytest.raises(grpc.RpcError) as caught:
        next(stream)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    wait_for_health(channel, NOT_SERVING, 20)
    # What does not need Triton still answers.
    assert model_pb2_grpc.ModelServiceStub(channel).ListModels(model_pb2.ListModelsRequest(), timeout=5).models
    wait_for_health(channel, SERVING, 90)
    again = classification.Classify(classification_pb2.ClassifyRequest(xray=xray), timeout=20)
    assert again.classification.model_set == expected.classification.model_set
    assert again.classification.labels == expected.classification.labels
    # A request that failed for want of Triton may be sent again as it is.
    events = [answer.event for answer in explanation.Explain(asked, timeout=40)]
    assert events[0].job_id != event.job_id
    assert events[-1].summary.state == explanation_pb2.JOB_STATE_DONE
