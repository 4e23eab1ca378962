"""Everything that :mod:`radiolucent.client` raises on purpose, and the one table from a server's status to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

if TYPE_CHECKING:
    from .events import Explanation

__all__ = [
    "AlreadyExists",
    "Busy",
    "Cancelled",
    "DeadlineExceeded",
    "InternalError",
    "InvalidRequest",
    "JobLost",
    "NotAllowed",
    "NotFound",
    "RadiolucentError",
    "ServerNotStarted",
    "Unavailable",
    "Unsupported",
    "Violation",
    "from_rpc_error",
]


@dataclass(frozen=True)
class Violation:
    """One thing that is wrong with a request.

    Parameters
    ----------
    field : str
        Path of the field in the request, for example ``"xray.file"``.
    description : str
        What is wrong with it.
    """

    field: str
    description: str


class RadiolucentError(Exception):
    """Base of all errors of this package. Its text is one readable line.

    Attributes
    ----------
    so_far : Explanation, optional
        What a job delivered before the error; from the ``result`` of a stream alone.
    """

    so_far: Explanation | None = None


class Unavailable(RadiolucentError):
    """The server cannot be reached, or Triton behind it does not answer. Trying again later may help."""


class ServerNotStarted(Unavailable):
    """A server that was to be started for this command did not come up, or cannot run here."""


class InvalidRequest(RadiolucentError):
    """The request is wrong and will stay wrong.

    Parameters
    ----------
    message : str
        What is wrong.
    violations : tuple of Violation
        The same by field; empty where the server named none.
    """

    def __init__(self, message: str, violations: tuple[Violation, ...] = ()) -> None:
        super().__init__(message)
        self.violations = violations


class NotFound(RadiolucentError):
    """There is no such model or job, or it belongs to another caller."""


class JobLost(NotFound):
    """The stream broke and the server no longer has the job, for example because it was restarted."""


class AlreadyExists(RadiolucentError):
    """The request id was used for another request."""


class Busy(RadiolucentError):
    """The server has too much to do already.

    Parameters
    ----------
    message : str
        What the server said.
    retry_after_s : float, optional
        When to try again, in seconds from now; None where the server did not say.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(RadiolucentError):
    """The time given with ``timeout`` has passed."""


class Cancelled(RadiolucentError):
    """The call was cancelled before its answer came."""


class NotAllowed(RadiolucentError):
    """The server refuses this caller."""


class Unsupported(RadiolucentError):
    """The server does not offer this call: it is older or newer than the client."""


class InternalError(RadiolucentError):
    """Something went wrong inside the server, or its answer cannot be understood.

    Parameters
    ----------
    message : str
        What the server said.
    error_id : str, optional
        Identifier to look up in the server's log.
    """

    def __init__(self, message: str, error_id: str | None = None) -> None:
        super().__init__(message)
        self.error_id = error_id


@dataclass(frozen=True)
class _Answer:
    """A failed call, taken apart."""

    message: str
    details: tuple[object, ...]


def _invalid(answer: _Answer) -> RadiolucentError:
    violations = tuple(
        Violation(violation.field, violation.description)
        for detail in answer.details
        if isinstance(detail, error_details_pb2.BadRequest)
        for violation in detail.field_violations
    )
    return InvalidRequest(answer.message or "; ".join(v.description for v in violations), violations)


def _exhausted(answer: _Answer) -> RadiolucentError:
    # gRPC itself uses this code for a message over its limits; waiting does not make the file smaller.
    if "larger than max" in answer.message:
        return InvalidRequest("the X-ray is larger than can be sent", (Violation("xray.file", answer.message),))
    for detail in answer.details:
        if isinstance(detail, error_details_pb2.RetryInfo):
            return Busy(answer.message, detail.retry_delay.ToTimedelta().total_seconds())
    return Busy(answer.message)


def _internal(answer: _Answer) -> RadiolucentError:
    for detail in answer.details:
        if isinstance(detail, error_details_pb2.ErrorInfo) and "error_id" in detail.metadata:
            return InternalError(answer.message, detail.metadata["error_id"])
        if isinstance(detail, error_details_pb2.RequestInfo) and detail.request_id:
            return InternalError(answer.message, detail.request_id)
    return InternalError(answer.message)


def _plain(kind: Callable[[str], RadiolucentError]) -> Callable[[_Answer], RadiolucentError]:
    return lambda answer: kind(answer.message)


_TABLE: dict[grpc.StatusCode, Callable[[_Answer], RadiolucentError]] = {
    grpc.StatusCode.CANCELLED: _plain(Cancelled),
    grpc.StatusCode.INVALID_ARGUMENT: _invalid,
    grpc.StatusCode.OUT_OF_RANGE: _invalid,
    grpc.StatusCode.FAILED_PRECONDITION: _invalid,
    grpc.StatusCode.DEADLINE_EXCEEDED: _plain(DeadlineExceeded),
    grpc.StatusCode.NOT_FOUND: _plain(NotFound),
    grpc.StatusCode.ALREADY_EXISTS: _plain(AlreadyExists),
    grpc.StatusCode.PERMISSION_DENIED: _plain(NotAllowed),
    grpc.StatusCode.UNAUTHENTICATED: _plain(NotAllowed),
    grpc.StatusCode.RESOURCE_EXHAUSTED: _exhausted,
    grpc.StatusCode.UNIMPLEMENTED: _plain(Unsupported),
    grpc.StatusCode.UNAVAILABLE: _plain(Unavailable),
}


def from_rpc_error(error: grpc.RpcError) -> RadiolucentError:
    """Say a failed call in this package's words.

    Parameters
    ----------
    error : grpc.RpcError
        What gRPC raised, from a synchronous or an asynchronous call.

    Returns
    -------
    RadiolucentError
        The error to raise instead; codes without an entry in the table are internal errors.
    """
    code: grpc.StatusCode = error.code()
    answer = _Answer(message=error.details() or code.name.lower().replace("_", " "), details=tuple(_details(error)))
    return _TABLE.get(code, _internal)(answer)


def _details(error: grpc.RpcError) -> Iterator[object]:
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # the trailing metadata contradicts the status: the status alone counts
        return
    for packed in status.details if status is not None else ():
        for kind in (
            error_details_pb2.BadRequest,
            error_details_pb2.RetryInfo,
            error_details_pb2.ErrorInfo,
            error_details_pb2.RequestInfo,
        ):
            if packed.Is(kind.DESCRIPTOR):
                message = kind()
                packed.Unpack(message)
                yield message
