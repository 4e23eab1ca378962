"""The calls of one client: streams that are read to their end or left, and questions about a job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from grpc_status.rpc_status import from_call
from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb
from radiolucent.protos.radiolucent.v1 import explanation_pb2_grpc as pb_grpc

from .course import JobFacts, Leg, Seen

__all__ = ["Calls", "Cut", "connected"]

_ANSWER_S = 30.0
_STRANGER = (("radiolucent-caller", "load-test-stranger"),)
_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own
]


@dataclass(frozen=True)
class Cut:
    """When a client does something in the middle of a stream.

    Attributes
    ----------
    after_events, then_s
        So many seconds after so many events.
    act
        What; None: it leaves the stream.
    """

    after_events: int
    then_s: float
    act: Callable[[], Awaitable[None]] | None = None


class Calls:
    """Calls of one caller over one connection for streams and another one for the rest."""

    def __init__(self, streams: grpc.aio.Channel, control: grpc.aio.Channel, caller: int) -> None:
        self._streams: Any = pb_grpc.ExplanationServiceStub(streams)
        self._control: Any = pb_grpc.ExplanationServiceStub(control)
        self._metadata = (("radiolucent-caller", f"load-test-caller-{caller:04d}"),)

    async def explain(
        self,
        request: pb.ExplainRequest,
        leg: Leg,
        *,
        cut: Cut | None = None,
        pause_s: float = 0.0,
        timeout: float | None = None,
    ) -> None:
        """Ask for an explanation and note what comes; `pause_s` is slept after each event."""
        call = self._streams.Explain(request, timeout=timeout, metadata=self._metadata)
        await _read(call, leg, cut, pause_s)

    async def watch(self, job_id: str, leg: Leg, *, cut: Cut | None = None) -> None:
        """Watch a job on from `leg.after`."""
        request = pb.WatchJobRequest(job_id=job_id, after_sequence=leg.after)
        await _read(self._streams.WatchJob(request, metadata=self._metadata), leg, cut, 0.0)

    async def cancel(self, job_id: str) -> None:
        """Stop a job; returns when it has ended."""
        await self._control.CancelJob(pb.CancelJobRequest(job_id=job_id), timeout=_ANSWER_S, metadata=self._metadata)

    async def job(self, job_id: str, *, ended_within_s: float = 0.0) -> JobFacts:
        """Return what GetJob says, asking again for a while where the job has not ended."""
        end = time.monotonic() + ended_within_s
        while True:
            answer = await self._control.GetJob(
                pb.GetJobRequest(job_id=job_id), timeout=_ANSWER_S, metadata=self._metadata
            )
            job = answer.job
            if job.state != pb.JOB_STATE_RUNNING or time.monotonic() > end:
                return JobFacts(
                    pb.JobState.Name(job.state).removeprefix("JOB_STATE_"),
                    _seconds(job.ended_time) if job.HasField("ended_time") else 0.0,
                    _seconds(job.accepted_time),
                    job.last_sequence,
                )
            await asyncio.sleep(0.1)

    async def as_stranger(self, job_id: str) -> str:
        """Return the status that another caller gets who asks for the job."""
        try:
            await self._control.GetJob(
                pb.GetJobRequest(job_id=job_id),
                timeout=_ANSWER_S,
                metadata=_STRANGER,
            )
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"


@asynccontextmanager
async def connected(address: str, callers: int) -> AsyncIterator[list[Calls]]:
    """Open two connections for each caller."""
    channels = [grpc.aio.insecure_channel(address, options=_OPTIONS) for _ in range(2 * callers)]
    try:
        yield [Calls(channels[2 * one], channels[2 * one + 1], one) for one in range(callers)]
    finally:
        for channel in channels:
            await channel.close()


async def _read(call: Any, leg: Leg, cut: Cut | None, pause_s: float) -> None:  # noqa: ANN401 - a call
    """Read a stream to its end, whoever ends it."""
    left = False
    doing: asyncio.Task[None] | None = None

    async def do(cut: Cut) -> None:
        nonlocal left
        await asyncio.sleep(cut.then_s)
        if cut.act is not None:
            await cut.act()
        else:
            left = True
            call.cancel()

    try:
        if cut is not None and cut.after_events == 0:
            doing = asyncio.create_task(do(cut))
        async for response in call:
            leg.seen.append(Seen.of(response.event))
            if cut is not None and doing is None and len(leg.seen) >= cut.after_events:
                doing = asyncio.create_task(do(cut))
            if pause_s:
                await asyncio.sleep(pause_s)
        leg.status = "OK"
    except asyncio.CancelledError:
        if not left:
            raise
        leg.status = "CUT"
    except grpc.aio.AioRpcError as error:
        leg.status, leg.text = error.code().name, error.details() or ""
        _note_details(error, leg)
    finally:
        leg.ended = time.monotonic()
        call.cancel()
        if doing is not None:
            if cut is not None and cut.act is None:
                doing.cancel()
            await asyncio.gather(doing, return_exceptions=not (cut is not None and cut.act is not None))


def _note_details(error: grpc.aio.AioRpcError, leg: Leg) -> None:
    status = from_call(error)
    for packed in status.details if status is not None else ():
        retry, bad = RetryInfo(), BadRequest()
        if packed.Unpack(retry):
            leg.retry_s = retry.retry_delay.ToTimedelta().total_seconds()
        elif packed.Unpack(bad):
            leg.fields = tuple(one.field for one in bad.field_violations)


def _seconds(stamp: Any) -> float:  # noqa: ANN401 - a Timestamp
    return float(stamp.seconds + stamp.nanos / 1e9)
