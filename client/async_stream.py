"""A job's events as an asynchronous iterator: :mod:`.stream` with ``await``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import grpc
from tenacity import AsyncRetrying

from ..protos import explanation_pb2
from .course import CANCEL_TIMEOUT_S, Course
from .errors import RadiolucentError, from_rpc_error
from .events import Event, Explanation, Summary
from .job import JobState

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..protos.radiolucent.v1.explanation_pb2_grpc import ExplanationServiceAsyncStub
    from .channel import Metadata

__all__ = ["AsyncExplanationStream"]


class AsyncExplanationStream(AsyncIterator[Event]):
    """The events of a job, as they come; :class:`~radiolucent.client.ExplanationStream` for asyncio.

    The job starts with ``async with`` or with the first event asked for. Cancelling the task that waits for an event
    leaves the job as :meth:`close` does.
    """

    def __init__(
        self,
        stub: ExplanationServiceAsyncStub,
        metadata: Metadata,
        prepare: Callable[[], Awaitable[Course]],
    ) -> None:
        self._stub = stub
        self._metadata = metadata
        self._prepare = prepare
        self._course: Course | None = None
        self._call: Any = None
        self._error = False
        self._ending: RadiolucentError | None = None
        self._gone = asyncio.Event()

    @property
    def job_id(self) -> str | None:
        """The server's identifier of the job; None before the first event of a job that this stream started."""
        return (self._course.job_id or None) if self._course else None

    @property
    def request_id(self) -> str:
        """The caller's identifier of the request; empty while nothing was sent or said."""
        return self._course.request_id if self._course else ""

    @property
    def last_sequence(self) -> int:
        """Sequence of the last event seen: what to give to ``watch`` to go on from here."""
        return self._course.last_sequence if self._course else 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._error:
            raise StopAsyncIteration
        event: Event | None = None
        try:
            course = await self._started()
            if self._ending is not None and not course.left:
                ending, self._ending = self._ending, None
                raise ending
            if course.finished or course.left:
                raise StopAsyncIteration
            async for attempt in AsyncRetrying(sleep=self._nap, **course.retry_policy()):
                with attempt:
                    event = await self._read(course)
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self._error = True
            if not isinstance(error, Exception):  # the task was cancelled: what it waited for shall not run on
                await asyncio.shield(self.close())
            raise
        if event is None:
            raise StopAsyncIteration
        return event

    async def result(self) -> Explanation:
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
            async for event in self:
                events.append(event)  # noqa: PERF401  - what came is kept when the stream breaks
        except RadiolucentError as error:
            error.so_far = self._sorted(events)
            raise
        return self._sorted(events)

    def _sorted(self, events: list[Event]) -> Explanation:
        return Explanation.of(events, job_id=self.job_id or "", request_id=self.request_id)

    async def cancel(self) -> None:
        """Stop the job. What it delivered stays; the stream still brings the rest, its summary last.

        Raises
        ------
        RadiolucentError
            The server could not be asked.
        """
        if self.job_id is None:
            await self.close()
            return
        await self._cancel_job(self.job_id)

    def detach(self) -> str | None:
        """Leave the stream and let the job go on, where it was started with ``reconnect=True``.

        Returns
        -------
        str or None
            Its identifier, for ``watch``; None before its first event.
        """
        if self._course is not None:
            self._leave(self._course)
        return self.job_id

    async def close(self) -> None:
        """Leave the stream, and stop the job if this stream started it. Safe to call twice."""
        course = self._course
        if course is None:  # nothing was started, and nothing shall be
            self._error = True
            return
        if course.left:
            return
        self._leave(course)
        if course.must_cancel:
            with contextlib.suppress(Exception):  # the server may be gone: there is nobody to tell
                await self._cancel_job(course.job_id or await self._ask_job_id(course))

    async def __aenter__(self) -> Self:
        await self._started()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _leave(self, course: Course) -> None:
        course.left = True
        self._gone.set()
        if self._call is not None:
            self._call.cancel()

    async def _nap(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._gone.wait(), seconds)

    async def _started(self) -> Course:
        if self._course is None:
            self._course = await self._prepare()
            self._call = self._open(self._course)
        return self._course

    def _open(self, course: Course) -> Any:  # noqa: ANN401  - as in the synchronous stream
        opening = course.opening()
        call = (
            self._stub.Explain if isinstance(opening.request, explanation_pb2.ExplainRequest) else self._stub.WatchJob
        )
        return call(opening.request, timeout=opening.timeout, metadata=self._metadata)  # type: ignore[arg-type]

    async def _read(self, course: Course) -> Event | None:
        if course.left:  # while it waited to try again
            return None
        try:
            if self._call is None:
                self._call = self._open(course)
            async for response in self._call:
                event = course.accept(response.event)
                if isinstance(event, Summary) and event.state is not JobState.DONE:
                    status, self._call = await _status(self._call), None
                    self._ending = course.ended(event, status)
                if event is not None:
                    return event
        except grpc.RpcError as error:
            self._call = None
            if course.left:
                return None
            raise course.broke(error) from error
        except asyncio.CancelledError:
            # A call that `close` cancelled from another task ends so too; this task itself goes on.
            if course.left:
                return None
            raise
        self._call = None
        if course.left:
            return None
        raise course.broke(None)

    async def _cancel_job(self, job_id: str) -> None:
        try:
            await self._stub.CancelJob(
                explanation_pb2.CancelJobRequest(job_id=job_id), timeout=CANCEL_TIMEOUT_S, metadata=self._metadata
            )
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    async def _ask_job_id(self, course: Course) -> str:
        # Left before the first event: the same request joins the job it started, whose id is in every event.
        assert course.explain is not None  # noqa: S101  - what must_cancel says
        call = self._stub.Explain(course.explain, timeout=CANCEL_TIMEOUT_S, metadata=self._metadata)
        async for response in call:
            call.cancel()
            return response.event.job_id
        return ""


async def _status(call: Any) -> grpc.RpcError | None:  # noqa: ANN401  - as above
    """Wait for the status of a stream that has nothing more to say; the server sends it with the summary."""
    try:
        async for _ in call:
            pass
    except grpc.RpcError as error:
        return error
    return None
