# ruff: noqa: ANN401 - google.rpc is untyped
from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from radiolucent.handlers import ImageError, ImageProblem
from radiolucent.server.errors import (
    DuplicateRequest,
    InternalError,
    InvalidRequest,
    JobNotFound,
    ModelNotFound,
    ProfileBroken,
    ProfileNotFound,
    QueueFull,
    Stopping,
    Violation,
)
from radiolucent.server.status import to_status
from radiolucent.server.triton.errors import (
    NoModelSet,
    TritonFailed,
    TritonOverloaded,
    TritonRefusedImage,
    TritonStartFailed,
    TritonTimeout,
    TritonUnavailable,
)


def detail(status: Any, kind: type[Any]) -> Any:
    for packed in status.details:
        message = kind()
        if packed.Unpack(message):
            return message
    return None


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (InvalidRequest.of("models[0]", "unknown"), "INVALID_ARGUMENT", "INVALID_REQUEST"),
        (ImageError(ImageProblem.EMPTY, "the file is empty"), "INVALID_ARGUMENT", "INVALID_IMAGE"),
        (TritonRefusedImage("truncated", "the file is cut off"), "INVALID_ARGUMENT", "INVALID_IMAGE"),
        (JobNotFound(), "NOT_FOUND", "JOB_NOT_FOUND"),
        (ModelNotFound("unknown model"), "NOT_FOUND", "MODEL_NOT_FOUND"),
        (ProfileNotFound("unknown profile"), "NOT_FOUND", "PROFILE_NOT_FOUND"),
        (ProfileBroken("of other weights"), "FAILED_PRECONDITION", "PROFILE_BROKEN"),
        (DuplicateRequest(), "ALREADY_EXISTS", "REQUEST_ID_USED"),
        (QueueFull("64 jobs wait", 2.5), "RESOURCE_EXHAUSTED", "QUEUE_FULL"),
        (TritonOverloaded("x"), "RESOURCE_EXHAUSTED", "QUEUE_FULL"),
        (TritonTimeout("x"), "DEADLINE_EXCEEDED", "TRITON_TIMEOUT"),
        (NoModelSet("x"), "UNAVAILABLE", "NO_MODEL_SET"),
        (TritonUnavailable("x"), "UNAVAILABLE", "TRITON_UNAVAILABLE"),
        (Stopping(), "UNAVAILABLE", "STOPPING"),
        (InternalError("abc"), "INTERNAL", "INTERNAL"),
    ],
)
def test_every_error_has_its_status_and_a_reason_for_programs(error: Exception, code: str, reason: str) -> None:
    status = to_status(error)
    assert status.code == grpc.StatusCode[code].value[0]
    info = detail(status, ErrorInfo)
    assert (info.reason, info.domain) == (reason, "radiolucent")


def test_a_bad_file_is_named_as_the_field_of_the_request() -> None:
    for error in (
        ImageError(ImageProblem.TRUNCATED, "it ends early"),
        TritonRefusedImage("truncated", "it ends early"),
    ):
        violations = detail(to_status(error), BadRequest).field_violations
        assert [(one.field, one.description) for one in violations] == [("xray.file", "it ends early")]
        assert detail(to_status(error), ErrorInfo).metadata["problem"] == "truncated"


def test_who_is_turned_away_for_a_while_is_told_for_how_long() -> None:
    assert detail(to_status(QueueFull("full", 2.5)), RetryInfo).retry_delay.ToMilliseconds() == 2500
    for error in (TritonUnavailable("x"), NoModelSet("x"), TritonOverloaded("x"), Stopping()):
        assert detail(to_status(error), RetryInfo).retry_delay.ToMilliseconds() > 0


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), TritonFailed("x"), KeyError("x")])
def test_what_is_not_in_the_table_has_no_status_of_its_own(error: Exception) -> None:
    assert to_status(error) is None


def test_nothing_of_this_machine_is_said_of_triton() -> None:
    for error in (TritonStartFailed("/home/x", "log"), TritonUnavailable("unix:/tmp/x"), NoModelSet("/srv/models")):
        assert "/" not in to_status(error).SerializeToString().decode(errors="replace").replace(
            "type.googleapis.com/", ""
        )


def test_a_status_fits_into_the_metadata_of_grpc_whatever_is_wrong() -> None:
    error = InvalidRequest(
        [Violation(f"methods[{i}].name", "unknown; there are: " + "x, " * 1000) for i in range(1000)]
    )
    status = to_status(error)
    assert len(status.SerializeToString()) + len(status.message) < 8000
