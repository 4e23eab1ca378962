"""What a caller sees of an error: one table from exceptions to gRPC statuses with `google.rpc` details.

Every status carries an `ErrorInfo` whose `reason` is for programs. What is not in the table is an internal error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from ..handlers.errors import ImageError
from .errors import (
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
from .triton.errors import (
    NoModelSet,
    TritonOverloaded,
    TritonRefusedImage,
    TritonTimeout,
    TritonUnavailable,
)

__all__ = ["DOMAIN", "to_status"]

DOMAIN = "radiolucent"
"""Domain of every `ErrorInfo`."""

_RETRY_SECONDS = 1.0
# A status travels in trailing metadata, of which gRPC lets 8 KiB through.
_LONGEST_TEXT = 500
_MOST_VIOLATIONS = 8


class _Answer(NamedTuple):
    code: grpc.StatusCode
    reason: str
    message: Callable[[Any], str] = str
    details: Callable[[Any], Iterable[Any]] = lambda _: ()


def _violations(error: InvalidRequest) -> Iterable[Any]:
    yield _bad_request(error.violations)


def _bad_request(violations: Iterable[Violation]) -> Any:  # noqa: ANN401 - google.rpc is untyped
    return BadRequest(
        field_violations=[
            BadRequest.FieldViolation(field=one.field, description=_short(one.description))
            for one in tuple(violations)[:_MOST_VIOLATIONS]
        ]
    )


def _bad_file(error: Exception) -> Iterable[Any]:
    yield _bad_request([Violation("xray.file", str(error))])


def _about_file(error: Exception) -> str:
    return f"xray.file: {error}"


def _retry(seconds: float) -> Iterable[Any]:
    delay = Duration()
    delay.FromMilliseconds(round(seconds * 1000))
    yield RetryInfo(retry_delay=delay)


def _soon(_: Exception) -> Iterable[Any]:
    return _retry(_RETRY_SECONDS)


# The first row whose exception an error is an instance of counts. The messages of Triton's own errors may name files
# and addresses of this machine, so most are replaced.
_TABLE: tuple[tuple[type[Exception], _Answer], ...] = (
    (InvalidRequest, _Answer(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", details=_violations)),
    (ImageError, _Answer(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_IMAGE", _about_file, _bad_file)),
    (TritonRefusedImage, _Answer(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_IMAGE", _about_file, _bad_file)),
    (JobNotFound, _Answer(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")),
    (ModelNotFound, _Answer(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")),
    (ProfileNotFound, _Answer(grpc.StatusCode.NOT_FOUND, "PROFILE_NOT_FOUND")),
    (ProfileBroken, _Answer(grpc.StatusCode.FAILED_PRECONDITION, "PROFILE_BROKEN")),
    (DuplicateRequest, _Answer(grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_USED")),
    (
        QueueFull,
        _Answer(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", details=lambda error: _retry(error.retry_seconds)),
    ),
    (
        TritonOverloaded,
        _Answer(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "QUEUE_FULL",
            lambda _: "too many X-rays wait to be classified already",
            _soon,
        ),
    ),
    (
        TritonTimeout,
        _Answer(grpc.StatusCode.DEADLINE_EXCEEDED, "TRITON_TIMEOUT", lambda _: "Triton did not answer in time"),
    ),
    (
        NoModelSet,
        _Answer(grpc.StatusCode.UNAVAILABLE, "NO_MODEL_SET", lambda _: "no model set is served", _soon),
    ),
    (
        TritonUnavailable,
        _Answer(grpc.StatusCode.UNAVAILABLE, "TRITON_UNAVAILABLE", lambda _: "Triton does not answer", _soon),
    ),
    (Stopping, _Answer(grpc.StatusCode.UNAVAILABLE, "STOPPING", details=_soon)),
    (InternalError, _Answer(grpc.StatusCode.INTERNAL, "INTERNAL")),
)


def to_status(error: BaseException) -> Any | None:  # noqa: ANN401 - google.rpc is untyped
    """Convert an exception to a `google.rpc.Status`.

    Parameters
    ----------
    error
        What was raised.

    Returns
    -------
    google.rpc.status_pb2.Status or None
        None where the table has no row for it: then its text must not leave the process.
    """
    for kind, answer in _TABLE:
        if isinstance(error, kind):
            info = ErrorInfo(reason=answer.reason, domain=DOMAIN, metadata=_metadata(error))
            status = Status(code=answer.code.value[0], message=_short(answer.message(error), 2 * _LONGEST_TEXT))
            for detail in (info, *answer.details(error)):
                packed = AnyMessage()
                packed.Pack(detail)
                status.details.append(packed)
            return status
    return None


def _metadata(error: BaseException) -> dict[str, str]:
    if isinstance(error, ImageError):
        return {"problem": error.reason.value}
    if isinstance(error, TritonRefusedImage) and error.reason:
        return {"problem": error.reason}
    if isinstance(error, InternalError):
        return {"error_id": error.error_id}
    return {}


def _short(text: str, longest: int = _LONGEST_TEXT) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
