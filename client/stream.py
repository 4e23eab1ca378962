"""A job's events as an iterator, for the synchronous client."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

import grpc
from tenacity import Retrying, sleep_using_event

from ..protos import explanation_pb2, explanation_pb2_grpc
from .course import CANCEL_TIMEOUT_S, Course
from .errors import RadiolucentError, from_rpc_error
from .events import Event, Explanation, Summary
from .job import JobState

if TYPE_CHECKING:
    from typing_extensions import Self

    from .channel import Metadata

__all__ = ["ExplanationStream"]


class ExplanationStream(Iterator[Event]):
    """The events of a job, as they come.

    Use it in a ``with`` block: leaving the block leaves the job, and a job that this stream started is stopped then
    unless it has ended or :meth:`detach` was called. Ctrl-C while waiting for an event does the same.
    Iterating raises :class:`~radiolucent.client.RadiolucentError` where the job cannot go on.
    """

    def __init__(self, stub: explanation_pb2_grpc.ExplanationServiceStub, metadata: Metadata, course: Course) -> None:
        self._stub = stub
        self._metadata = metadata
        self._course = course
        self._call: Any = None
        self._error = False
        self._ending: RadiolucentError | None = None
        self._gone = threading.Event()
        # The job starts now, not when the first event is asked for.
        self._call = self._open()

    @property
    def job_id(self) -> str | None:
        """The server's identifier of the job; None before the first event of a job that this stream started."""
        return self._course.job_id or None

    @property
    def request_id(self) -> str:
        """The caller's identifier of the request; empty before the first event of a job that is watched."""
        return self._course.request_id

    @property
    def last_sequence(self) -> int:
        """Sequence of the last event seen: what to give to ``watch`` to go on from here."""
        return self._course.last_sequence

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        if self._ending is not None and not self._course.left:
            ending, self._ending = self._ending, None
            raise ending
        if self._course.finished or self._course.left or self._error:
            raise StopIteration
        event: Event | None = None
        try:
            for attempt in Retrying(sleep=sleep_using_event(self._gone), **self._course.retry_policy()):
                with attempt:
                    event = self._read()
        except BaseException as error:
            self._error = True
            if not isinstance(error, Exception):  # Ctrl-C: what it interrupts shall not run on
                self.close()
            raise
        if event is None:  # closed meanwhile, from another thread
            raise StopIteration
        return event

    def result(self) -> Explanation:
        """Wait for the job's end.

        Returns
        -------
        Explanation
            All events that come from here on, sorted.

        Raises
        ------
        RadiolucentError
            The job cannot go on; the error's ``so_far`` has what came before.
        """
        events: list[Event] = []
        try:
            for event in self:
                events.append(event)  # noqa: PERF402  - what came is kept when the stream breaks
        except RadiolucentError as error:
            error.so_far = self._sorted(events)
            raise
        return self._sorted(events)

    def _sorted(self, events: list[Event]) -> Explanation:
        return Explanation.of(events, job_id=self._course.job_id, request_id=self._course.request_id)

    def cancel(self) -> None:
        """Stop the job. What it delivered stays; the stream still brings the rest, its summary last.

        Raises
        ------
        RadiolucentError
            The server could not be asked.
        """
        if not self._course.job_id:
            self.close()
            return
        self._cancel_job(self._course.job_id)

    def detach(self) -> str | None:
        """Leave the stream and let the job go on, where it was started with ``reconnect=True``.

        Returns
        -------
        str or None
            Its identifier, for ``watch``; None before its first event.
        """
        self._leave()
        return self.job_id

    def close(self) -> None:
        """Leave the stream, and stop the job if this stream started it. Safe to call twice, from any thread."""
        if self._course.left:
            return
        self._leave()
        if self._course.must_cancel:
            with contextlib.suppress(Exception):  # the server may be gone: there is nobody to tell
                self._cancel_job(self._course.job_id or self._ask_job_id())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _leave(self) -> None:
        self._course.left = True
        self._gone.set()
        if self._call is not None:
            self._call.cancel()

    def _open(self) -> Any:  # noqa: ANN401  - grpc's streams have no type that says both cancel and iterate
        opening = self._course.opening()
        call = (
            self._stub.Explain if isinstance(opening.request, explanation_pb2.ExplainRequest) else self._stub.WatchJob
        )
        return call(opening.request, timeout=opening.timeout, metadata=self._metadata)  # type: ignore[arg-type]

    def _read(self) -> Event | None:
        if self._course.left:  # while it waited to try again
            return None
        try:
            if self._call is None:
                self._call = self._open()
            for response in self._call:
                event = self._course.accept(response.event)
                if isinstance(event, Summary) and event.state is not JobState.DONE:
                    status, self._call = _status(self._call), None
                    self._ending = self._course.ended(event, status)
                if event is not None:
                    return event
        except grpc.RpcError as error:
            self._call = None
            if self._course.left:
                return None
            raise self._course.broke(error) from error
        self._call = None
        if self._course.left:
            return None
        raise self._course.broke(None)

    def _cancel_job(self, job_id: str) -> None:
        try:
            self._stub.CancelJob(
                explanation_pb2.CancelJobRequest(job_id=job_id), timeout=CANCEL_TIMEOUT_S, metadata=self._metadata
            )
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    def _ask_job_id(self) -> str:
        # Left before the first event: the same request joins the job it started, whose id is in every event.
        assert self._course.explain is not None  # noqa: S101  - what must_cancel says
        call = self._stub.Explain(self._course.explain, timeout=CANCEL_TIMEOUT_S, metadata=self._metadata)
        job_id = next(iter(call)).event.job_id
        call.cancel()
        return job_id


def _status(call: Any) -> grpc.RpcError | None:  # noqa: ANN401  - as above
    """Wait for the status of a stream that has nothing more to say; the server sends it with the summary."""
    try:
        for _ in call:
            pass
    except grpc.RpcError as error:
        return error
    return None
