"""What can go wrong with a request, as one small tree. `status` says what a caller sees of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "CannotServe",
    "DuplicateRequest",
    "InternalError",
    "InvalidRequest",
    "JobNotFound",
    "ModelNotFound",
    "ProfileBroken",
    "ProfileNotFound",
    "QueueFull",
    "ServerError",
    "Stopping",
    "Violation",
]


class ServerError(Exception):
    """Base of everything that the server raises on purpose. The text is safe to show to a caller."""


@dataclass(frozen=True)
class Violation:
    """What is wrong with one field of a request.

    Attributes
    ----------
    field
        Path of the field, for example `methods[0].name`.
    description
        What is wrong with it, and what would be right; never a value of the image.
    """

    field: str
    description: str


class InvalidRequest(ServerError):
    """A request that cannot be worked on; names every field that is wrong.

    Parameters
    ----------
    violations
        At least one.
    """

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(f"{one.field}: {one.description}" for one in self.violations))

    @classmethod
    def of(cls, field: str, description: str) -> InvalidRequest:
        """Return the error for one field."""
        return cls((Violation(field, description),))


class JobNotFound(ServerError):
    """There is no such job for this caller, or its results are dropped."""

    def __init__(self) -> None:
        super().__init__("there is no such job for this caller; results are kept for a limited time")


class ModelNotFound(ServerError):
    """There is no such network."""


class ProfileNotFound(ServerError):
    """There is no such neuron activation profile."""


class ProfileBroken(ServerError):
    """A neuron activation profile is stored and cannot be served; the text says why."""


class DuplicateRequest(ServerError):
    """The request_id belongs to another request of the same caller."""

    def __init__(self) -> None:
        super().__init__("this request_id was used for another request; make a new one")


class QueueFull(ServerError):
    """As much is waiting as is allowed.

    Parameters
    ----------
    message
        What is full.
    retry_seconds
        When to try again.
    """

    def __init__(self, message: str, retry_seconds: float) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class Stopping(ServerError):
    """The server is going down."""

    def __init__(self) -> None:
        super().__init__("the server is stopping")


class CannotServe(ServerError):
    """The server cannot start; the text says what to do.

    Parameters
    ----------
    problem
        What is wrong, one sentence without the full stop.
    remedy
        What to do, one sentence without the full stop.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}.")


class InternalError(ServerError):
    """Something is wrong inside; the server's log has the details under the id.

    Parameters
    ----------
    error_id
        What to look for in the log.
    """

    def __init__(self, error_id: str) -> None:
        super().__init__(f"internal error; the server's log has it under id {error_id}")
        self.error_id = error_id
