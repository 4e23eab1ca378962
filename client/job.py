"""A request while it is worked on: its state and how urgent it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

__all__ = ["Job", "JobState", "Priority"]


class JobState(str, Enum):
    """What a job is doing, or how it ended."""

    UNSPECIFIED = "unspecified"
    RUNNING = "running"
    """It waits or runs."""
    DONE = "done"
    """Every item ended, well or not; the summary says which."""
    CANCELLED = "cancelled"
    """It was stopped by its caller, by a lost client or by a deadline."""
    FAILED = "failed"
    """It could not be worked on at all."""


class Priority(str, Enum):
    """Whether somebody waits for the answer. Where both wait, interactive work gets most of the workers' time."""

    UNSPECIFIED = "unspecified"
    INTERACTIVE = "interactive"
    """Somebody looks at the screen."""
    BATCH = "batch"
    """Nobody does: a folder that is worked off overnight."""


@dataclass(frozen=True)
class Job:
    """A request while it is worked on and as long as its results are kept.

    Parameters
    ----------
    job_id, request_id : str
        The server's and the caller's identifiers.
    state : JobState
        What it is doing.
    last_sequence : int
        Sequence of its last event so far; 0 before the first.
    accepted_time, ended_time, expire_time : datetime, optional
        By the server's clock; None where it has not happened.
    priority : Priority
        Whether somebody waits for it; unspecified where the server does not tell.
    """

    job_id: str
    request_id: str
    state: JobState
    last_sequence: int
    accepted_time: datetime | None
    ended_time: datetime | None
    expire_time: datetime | None
    priority: Priority = Priority.UNSPECIFIED
