"""What Triton's errors become."""

from __future__ import annotations

import pytest
from radiolucent.server.triton import errors
from radiolucent.server.triton.client import TritonClient, _control_error, _inference_error
from tritonclient.utils import InferenceServerException


@pytest.mark.parametrize(
    ("status", "message", "becomes"),
    [
        ("INVALID_ARGUMENT", "in ensemble 'chest_xray', empty: The file is empty.", errors.TritonRefusedImage),
        ("UNAVAILABLE", "failed to connect to all addresses", errors.TritonUnavailable),
        ("NOT_FOUND", "Request for unknown model: 'chest_xray' is not found", errors.TritonUnavailable),
        ("CANCELLED", "Locally cancelled", errors.TritonUnavailable),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", errors.TritonTimeout),
        ("RESOURCE_EXHAUSTED", "exceeds maximum queue size", errors.TritonOverloaded),
        ("RESOURCE_EXHAUSTED", "CLIENT: Sent message larger than max (60 vs. 50)", errors.TritonFailed),
        ("INTERNAL", "Stub process 'preprocess@1_0_0' is not healthy.", errors.TritonProcessDied),
        ("INTERNAL", "something else", errors.TritonFailed),
        (None, "", errors.TritonFailed),
    ],
)
def test_a_status_becomes_an_error(status: str | None, message: str, becomes: type[Exception]) -> None:
    error = InferenceServerException(message, status=status and f"StatusCode.{status}")
    assert type(_inference_error(error)) is becomes


def test_a_refusal_tells_reason_and_message_apart_and_not_where() -> None:
    message = "in ensemble 'chest_xray', not_finite: A pixel is NaN: refused."
    refusal = _inference_error(InferenceServerException(message, status="StatusCode.INVALID_ARGUMENT"))
    assert isinstance(refusal, errors.TritonRefusedImage)
    assert (refusal.reason, refusal.message) == ("not_finite", "A pixel is NaN: refused.")


def test_another_refusal_has_no_reason() -> None:
    message = "unexpected shape: [1]"
    refusal = _inference_error(InferenceServerException(message, status="StatusCode.INVALID_ARGUMENT"))
    assert isinstance(refusal, errors.TritonRefusedImage)
    assert (refusal.reason, refusal.message) == ("", message)


@pytest.mark.parametrize(
    ("status", "message", "becomes"),
    [
        ("INVALID_ARGUMENT", "load failed for model 'resnet18': version 1 is at UNAVAILABLE", errors.ModelNotLoaded),
        ("UNAVAILABLE", "failed to load 'x', failed to poll from model repository", errors.ModelNotLoaded),
        ("UNAVAILABLE", "failed to connect to all addresses", errors.TritonUnavailable),
        (
            "UNAVAILABLE",
            "explicit model load / unload is not allowed if polling is enabled",
            errors.ModelControlForbidden,
        ),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", errors.TritonTimeout),
        (
            "INVALID_ARGUMENT",
            "load failed for model 'resnet34@1': version 1 is at UNAVAILABLE state: Invalid argument: failed to run "
            "warmup sample 'one': Stub process 'resnet34@1_0_0' is not healthy.;",
            errors.TritonProcessDied,
        ),
    ],
)
def test_a_failed_load_says_whose_fault_it_is(status: str, message: str, becomes: type[Exception]) -> None:
    error = InferenceServerException(message, status=f"StatusCode.{status}")
    assert type(_control_error("resnet18", error)) is becomes


async def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="grpc://host:port"):
        TritonClient("http://localhost:8000")
