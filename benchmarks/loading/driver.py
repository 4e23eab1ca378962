"""Clients that behave as clients do: each takes its request through to an end that can be judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import grpc

from .asks import Ask, Behaviour
from .calls import Calls, Cut
from .course import Course, Leg, Side

__all__ = ["Driver", "stopped_after"]

_LONGEST_S = 480.0
"""A request that has not ended by then counts as hanging."""
_STOPPING_S = 12.0


class Driver:
    """Takes requests through their courses.

    Parameters
    ----------
    callers
        The calls of each caller.
    over
        Whether the run is over: then a request that was not admitted is given up.
    """

    def __init__(self, callers: list[Calls], over: Callable[[], bool]) -> None:
        self._callers = callers
        self._over = over
        self._courses = {
            Behaviour.CLIENT_CANCELS: self._leave,
            Behaviour.CANCEL_JOB: self._cancel,
            Behaviour.DEADLINE: self._run_out,
            Behaviour.COMES_BACK: self._come_back,
            Behaviour.TWICE: self._twice,
        }

    async def take(self, ask: Ask) -> Course:
        """Take one request to its end; never raises but when it is cancelled."""
        course = Course(ask, begun=time.monotonic())
        calls = self._callers[ask.caller]
        try:
            await asyncio.wait_for(self._courses.get(ask.behaviour, self._plainly)(course, calls), _LONGEST_S)
        except asyncio.TimeoutError:
            course.fault = f"had not ended after {_LONGEST_S:.0f} s"
            await _give_up(course, calls)
        except grpc.aio.AioRpcError as error:
            course.fault = f"a question about the job ended with {error.code().name}: {error.details()}"
        course.ended = time.monotonic()
        return course

    async def _plainly(self, course: Course, calls: Calls) -> None:
        pause_s = course.ask.pause_s if course.ask.behaviour is Behaviour.SLOW else 0.0
        await self._explain(course, calls, course.sides[0], pause_s=pause_s)

    async def _leave(self, course: Course, calls: Calls) -> None:
        side = course.sides[0]
        leg = await self._explain(course, calls, side, cut=Cut(course.ask.after_events, course.ask.then_s))
        if leg is not None and leg.status == "CUT":
            course.stopped = time.time() - (time.monotonic() - leg.ended)
            await self._see_end(course, calls, side)

    async def _cancel(self, course: Course, calls: Calls) -> None:
        side = course.sides[0]

        async def stop() -> None:
            course.stopped = time.time()
            await calls.cancel(side.job_id)

        await self._explain(course, calls, side, cut=Cut(course.ask.after_events, course.ask.then_s, stop))
        if course.stopped:
            course.job = await calls.job(side.job_id)

    async def _run_out(self, course: Course, calls: Calls) -> None:
        side = course.sides[0]
        leg = await self._explain(course, calls, side, timeout=course.ask.deadline_s)
        if leg is not None and leg.status == "DEADLINE_EXCEEDED":
            course.stopped = time.time()
            await self._see_end(course, calls, side)

    async def _come_back(self, course: Course, calls: Calls) -> None:
        ask, side = course.ask, course.sides[0]
        leg = await self._explain(course, calls, side, cut=Cut(ask.after_events, ask.then_s))
        for left in range(ask.returns, 0, -1):
            if leg is None or leg.status != "CUT":
                break
            await asyncio.sleep(ask.pause_s)
            leg = Leg(time.monotonic(), after=side.last_sequence)
            side.legs.append(leg)
            cut = Cut(ask.after_events, ask.then_s) if left > 1 else None
            await calls.watch(side.job_id, leg, cut=cut)
        if side.job_id:
            course.job = await calls.job(side.job_id)
            course.stranger = await calls.as_stranger(side.job_id)

    async def _twice(self, course: Course, calls: Calls) -> None:
        course.sides.append(Side())

        async def later() -> None:
            await asyncio.sleep(course.ask.pause_s)
            await self._explain(course, calls, course.sides[1])

        await asyncio.gather(self._explain(course, calls, course.sides[0]), later())

    async def _explain(
        self,
        course: Course,
        calls: Calls,
        side: Side,
        *,
        cut: Cut | None = None,
        pause_s: float = 0.0,
        timeout: float | None = None,
    ) -> Leg | None:
        """Ask until the request is admitted; None where it never is."""
        while True:
            leg = Leg(time.monotonic())
            side.legs.append(leg)
            await calls.explain(course.ask.message, leg, cut=cut, pause_s=pause_s, timeout=timeout)
            if leg.status != "RESOURCE_EXHAUSTED" or leg.seen:
                return leg
            side.legs.remove(leg)
            course.refusals.append(leg.retry_s)
            if leg.retry_s is None:
                return None
            if self._over():
                course.given_up = True
                return None
            await asyncio.sleep(leg.retry_s)

    async def _see_end(self, course: Course, calls: Calls, side: Side) -> None:
        """Find out how a job ended that the client left, and read what it missed of it."""
        if not side.job_id:
            await self._find_again(course, calls, side)
        if not side.job_id:
            return
        course.job = await calls.job(side.job_id, ended_within_s=_STOPPING_S)
        if side.events[-1].kind != "summary":
            leg = Leg(time.monotonic(), after=side.last_sequence)
            side.legs.append(leg)
            await calls.watch(side.job_id, leg)

    async def _find_again(self, course: Course, calls: Calls, side: Side) -> None:
        """Learn the name of a job that was left before its first event: the same request joins it.

        Where the request had not been admitted yet there is none, and one starts now, which is stopped in turn.
        """
        cut = Cut(1, 0.0, lambda: calls.cancel(side.job_id))
        before = time.time()
        if await self._explain(course, calls, side, cut=cut) is not None and side.job_id:
            job = await calls.job(side.job_id)
            course.restarted = job.accepted >= before


async def _give_up(course: Course, calls: Calls) -> None:
    """Stop a job that takes too long, which may be one that is kept."""
    with suppress(grpc.aio.AioRpcError):
        for job_id in {side.job_id for side in course.sides if side.job_id}:
            await calls.cancel(job_id)


def stopped_after(course: Course) -> float | None:
    """Seconds from the stop of a job to its end; None where it was not stopped or ended by itself."""
    if not course.stopped or course.restarted or course.job is None or course.job.state != "CANCELLED":
        return None
    return max(0.0, course.job.ended - course.stopped)
