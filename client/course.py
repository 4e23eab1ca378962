"""Where a stream of events is, and how it goes on when it breaks: the logic that both clients share, without a wire.

The rules, in one place:

- ``reconnect=False`` (the default): the job ends with its stream. A lost or closed client cancels it.
- ``reconnect=True``: the job outlives its stream (``keep_after_disconnect``). A broken stream is opened again with a
  bounded number of attempts: by the same request before its first event (the request id makes that safe), by
  WatchJob after. Since the server no longer cancels when a client goes, a client that leaves on purpose
  (``close``, the end of a ``with`` block, Ctrl-C) asks it to. A client that is killed hard cannot: its job runs to
  its end.
- A job of which nothing has come yet is started anew, by the same request, where the server no longer knows it (it was
  restarted) or could not begin with it. Once something has come, the client says that the job is lost, or how it ended:
  a second job may be classified by other weights, and its events would not belong to those that came.
- A full queue is waited for, with ``reconnect`` or without: it took nothing on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import grpc

from ..protos import explanation_pb2
from .convert_events import event as convert_event
from .errors import (
    AlreadyExists,
    Busy,
    Cancelled,
    DeadlineExceeded,
    InvalidRequest,
    JobLost,
    NotAllowed,
    NotFound,
    RadiolucentError,
    Unavailable,
    Unsupported,
    from_rpc_error,
)
from .events import Event, Summary
from .job import JobState
from .older_server import with_what_is_missing
from .patience import patience

__all__ = ["CANCEL_TIMEOUT_S", "Course", "Opening"]

CANCEL_TIMEOUT_S = 5.0
"""How long leaving a job may take, in seconds."""

# A request that is refused so started no job.
_REFUSALS = (AlreadyExists, Busy, InvalidRequest, NotAllowed, NotFound, Unsupported)


@dataclass(frozen=True)
class Opening:
    """The call that (re)opens a stream.

    Parameters
    ----------
    request : ExplainRequest or WatchJobRequest
        What to send, to the call of that name.
    timeout : float, optional
        Seconds that are left; None where there is no deadline.
    """

    request: explanation_pb2.ExplainRequest | explanation_pb2.WatchJobRequest
    timeout: float | None


class Course:
    """A stream's position.

    Parameters
    ----------
    explain : ExplainRequest, optional
        The request that starts the job; None where a known job is watched.
    job_id : str
        The job that is watched; empty while unknown.
    after_sequence : int
        Events up to this one are known already.
    timeout : float, optional
        Seconds from now that the whole stream may take, broken streams included.
    reconnect : bool
        Whether a broken stream is opened again.
    wait_when_busy : bool
        Whether a full queue is waited for.
    """

    def __init__(
        self,
        *,
        explain: explanation_pb2.ExplainRequest | None = None,
        job_id: str = "",
        after_sequence: int = 0,
        timeout: float | None = None,
        reconnect: bool = False,
        wait_when_busy: bool = True,
    ) -> None:
        self.explain = explain
        self.job_id = job_id
        self.request_id = explain.request_id if explain is not None else ""
        self.last_sequence = after_sequence
        self.reconnect = reconnect
        self.finished = False
        """Whether the job's last event has come."""
        self.left = False
        """Whether the caller has left the stream on purpose."""
        self._wait_when_busy = wait_when_busy
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._broken = False
        self._delivered = 0
        self._nothing_runs = False

    def retry_policy(self) -> dict[str, Any]:
        """Return the arguments of tenacity's ``Retrying``; each event that arrives starts the count again."""
        return patience(deadline=self._deadline, busy=self._wait_when_busy, outages=self.reconnect)

    def opening(self) -> Opening:
        """Say which call opens the stream where it stands.

        Returns
        -------
        Opening
            Explain until the job is known, WatchJob from there on.

        Raises
        ------
        DeadlineExceeded
            No time is left.
        """
        timeout = None if self._deadline is None else self._deadline - time.monotonic()
        if timeout is not None and timeout <= 0:
            raise DeadlineExceeded("the time given has passed")
        self._nothing_runs = False
        if self.explain is not None and not self.job_id:
            return Opening(self.explain, timeout)
        return Opening(explanation_pb2.WatchJobRequest(job_id=self.job_id, after_sequence=self.last_sequence), timeout)

    def accept(self, message: explanation_pb2.JobEvent) -> Event | None:
        """Take an event in.

        Parameters
        ----------
        message : JobEvent
            As it came.

        Returns
        -------
        Event or None
            None for heartbeats, and for what was seen before the stream broke.
        """
        self.job_id = message.job_id or self.job_id
        self.request_id = message.request_id or self.request_id
        if message.sequence <= self.last_sequence:
            return None
        event = convert_event(message)
        if event is not None and self.explain is not None:
            event = with_what_is_missing(event, self.explain)
        self.last_sequence = message.sequence
        self.finished = isinstance(event, Summary)
        self._delivered += event is not None
        return event

    def ended(self, summary: Summary, status: grpc.RpcError | None) -> RadiolucentError | None:
        """Say what the status means with which a stream ends after its summary.

        Parameters
        ----------
        summary : Summary
            The job's last event, just accepted and not handed on yet.
        status : grpc.RpcError, optional
            The status; None where it is OK.

        Returns
        -------
        RadiolucentError or None
            Why the job failed, or was cut short by the server: to be raised after the summary. None where the summary
            says it all.

        Raises
        ------
        RadiolucentError
            The same, where the summary is all there is of a job that this stream started: it may be started anew.
        """
        if status is None or self.left:
            return None
        error = from_rpc_error(status)
        # What its caller or a deadline cancelled has no other reason, however the stream went down afterwards.
        if summary.state is not JobState.FAILED and not isinstance(error, Unavailable):
            return None
        if self.explain is not None and self._delivered == 1:
            self._forget_job()
            raise error
        return error

    def broke(self, error: grpc.RpcError | None) -> RadiolucentError:
        """Say what a broken stream means.

        Parameters
        ----------
        error : grpc.RpcError, optional
            What broke it; None where it just ended, though the job's last event had not come.

        Returns
        -------
        RadiolucentError
            The error to raise; an :class:`Unavailable` is worth another attempt.
        """
        broken_before, self._broken = self._broken, True
        if error is None:
            return Unavailable("the server ended the stream before the job's end")
        said = from_rpc_error(error)
        if isinstance(said, Cancelled) and not self.left:
            return Unavailable(f"the server broke the stream off: {said}")
        if isinstance(said, NotFound) and broken_before and self.job_id:
            return self._lost(said)
        self._nothing_runs = not self.job_id and isinstance(said, _REFUSALS)
        return said

    def _lost(self, said: NotFound) -> RadiolucentError:
        if self.explain is not None and not self._delivered:
            self._forget_job()
            return Unavailable(
                f"the connection broke before the first event, and the server knows no job of it: {said}"
            )
        return JobLost(
            f"the connection broke after event {self.last_sequence}, and the server no longer has the job (it was "
            f"restarted, or has dropped the results): {said}"
        )

    def _forget_job(self) -> None:
        """Be where the request has not been sent yet."""
        self.job_id, self.last_sequence, self._delivered = "", 0, 0
        self.finished, self._nothing_runs = False, True

    @property
    def must_cancel(self) -> bool:
        """Whether leaving now has to stop the job in so many words, because the server would not by itself."""
        if self.explain is None or self.finished or self._nothing_runs:
            return False
        return self.explain.keep_after_disconnect
