"""What a dry run answers."""

from __future__ import annotations

from .errors import InternalError, Unsupported
from .events import Classified, Event

__all__ = ["planned"]


def planned(event: Event | None) -> Classified:
    """Take the plan from the first event of a dry run.

    Raises
    ------
    Unsupported
        The server is older than dry runs, and about to run what it was asked to plan.
    InternalError
        The server planned nothing.
    """
    if not isinstance(event, Classified):
        raise InternalError("the server planned nothing")
    if event.items and not event.estimates:
        raise Unsupported("the server is older than dry runs: it cannot say what an explanation costs")
    return event
