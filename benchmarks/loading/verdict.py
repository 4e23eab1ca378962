"""Whether what came of one request is what must come of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .asks import Behaviour
from .course import Course, Leg, Side

__all__ = ["Verdict", "judge"]

STOP_S = 2.0
"""Longest time from a cancel to the end of the job."""
DEADLINE_TOLERANCE_S = 1.0
"""A stream may end so much after its deadline: the client's processor is shared, too."""
SILENCE_S = 15.0
"""Longest silence on an open stream; heartbeats come every 5 s."""

_STOPPED = (Behaviour.CLIENT_CANCELS, Behaviour.CANCEL_JOB, Behaviour.DEADLINE)
_REASONS_OF_STOP = {"CANCELLED", "DEADLINE"}


@dataclass(frozen=True)
class Verdict:
    """What became of a request, and all that should not have.

    Attributes
    ----------
    outcome
        In a word or two.
    violations
        What was promised and not kept; empty is good.
    """

    outcome: str
    violations: tuple[str, ...]


def judge(course: Course, kills: Sequence[float] = ()) -> Verdict:
    """Judge one request.

    Parameters
    ----------
    course
        What was seen of it.
    kills
        When workers were killed, seconds of the monotonic clock.

    Returns
    -------
    Verdict
        Violations in the order in which they are looked for.
    """
    found: list[str] = []
    if course.fault:  # all else that is missing follows from it
        return Verdict("broke off", (course.fault,))
    if any(wait is None for wait in course.refusals):
        found.append("RESOURCE_EXHAUSTED without RetryInfo")
    if course.given_up:
        return Verdict("not admitted", tuple(found))
    if course.ask.behaviour is Behaviour.BAD:
        return Verdict("refused", (*found, *_not_refused(course)))
    killed = sum(course.begun <= at <= course.ended for at in kills)
    for side in course.sides:
        found += _wrong_streams(course, side)
        found += _wrong_order(side)
        found += _wrong_items(course, side, killed)
        found += _wrong_end(course, side)
    found += _wrong_twins(course)
    found += _wrong_stop(course)
    if course.stranger and course.stranger != "NOT_FOUND":
        found.append(f"another caller asked for the job and got {course.stranger}")
    return Verdict(_outcome(course), tuple(found))


def _outcome(course: Course) -> str:
    states = [seen.state for seen in course.sides[0].events if seen.kind == "summary"]
    if not states:
        return "without a summary"
    reasons = {seen.reason for side in course.sides for seen in side.events if seen.kind == "failure"}
    others = sorted(reasons - _REASONS_OF_STOP)
    return states[-1].lower() + (f" with {', '.join(others)} failures" if others else "")


def _not_refused(course: Course) -> Iterator[str]:
    leg = course.sides[0].legs[-1] if course.sides[0].legs else Leg(0.0)
    if leg.status != "INVALID_ARGUMENT":
        yield f"bad input was answered with {leg.status or 'nothing'}"
    elif not leg.fields:
        yield "INVALID_ARGUMENT names no field"


def _wrong_streams(course: Course, side: Side) -> Iterator[str]:
    deadline = course.ask.deadline_s
    for number, leg in enumerate(side.legs):
        fine = {"OK", "CUT"} | ({"DEADLINE_EXCEEDED"} if deadline is not None and number == 0 else set())
        if leg.status not in fine:
            yield f"stream {number} ended with {leg.status}: {leg.text}"
        if deadline is not None and number == 0 and leg.ended - leg.begun > deadline + DEADLINE_TOLERANCE_S:
            yield f"a stream with a deadline of {deadline:.1f} s ended after {leg.ended - leg.begun:.1f} s"
        if course.ask.behaviour is not Behaviour.SLOW:
            times = [leg.begun, *(seen.at for seen in leg.seen), leg.ended]
            silence = max(after - before for before, after in pairwise(times))
            if silence > SILENCE_S:
                yield f"stream {number} was silent for {silence:.1f} s"


def _wrong_order(side: Side) -> Iterator[str]:
    last = 0
    for leg in side.legs:
        for seen in leg.seen:
            if seen.kind == "heartbeat":
                if seen.sequence != last:
                    yield f"a heartbeat has sequence {seen.sequence} after event {last}"
            elif seen.sequence <= last:
                yield f"sequence {seen.sequence} ({seen.kind}) came after {last}"
            last = max(last, seen.sequence)
    if len({seen.job_id for seen in side.events}) > 1:
        yield "one stream told of two jobs"


def _wrong_items(course: Course, side: Side, killed: int) -> Iterator[str]:
    events = side.events
    plans = [seen for seen in events if seen.kind == "classified"]
    if len(plans) > 1:
        yield "classified twice"
    planned = Counter(key for plan in plans for key in plan.keys)
    finals = Counter(key for seen in events if seen.kind == "heatmap" and seen.final for key in seen.keys)
    missing = Counter(key for seen in events if seen.kind == "failure" for key in seen.keys)
    for key, times in finals.items():
        if times > 1:
            yield f"final map came {times} times: {_shown(key)}"
    for key, times in missing.items():
        if times > 1:
            yield f"failure came {times} times: {_shown(key)}"
        if key in finals:
            yield f"both a final map and a failure: {_shown(key)}"
    for key in planned:
        if key not in finals and key not in missing:
            yield f"neither a final map nor a failure: {_shown(key)}"
    for key in (finals | missing) - planned:
        yield f"was not planned: {_shown(key)}"
    for seen in events:
        if seen.kind == "summary" and set(seen.keys) != set(finals):
            yield f"the summary lists {len(set(seen.keys))} maps, {len(finals)} came"
    yield from _wrong_reasons(course, side, killed)


def _wrong_reasons(course: Course, side: Side, killed: int) -> Iterator[str]:
    reasons = {seen.reason: seen.keys for seen in side.events if seen.kind == "failure"}
    allowed = {"NOT_APPLICABLE"}
    if any(seen.state == "CANCELLED" for seen in side.events):
        # A job that a second call joined, or found again after its end, was stopped by whoever was first.
        by_deadline = course.ask.behaviour is Behaviour.DEADLINE and not course.restarted
        allowed.add("DEADLINE" if by_deadline else "CANCELLED")
    if killed >= 2:  # what was lost once is tried again
        allowed.add("WORKER")
    if reasons.keys() - {"TOO_FEW_NETWORKS"}:  # then it follows from another
        allowed.add("TOO_FEW_NETWORKS")
    for reason in sorted(reasons.keys() - allowed):
        yield f"failure with reason {reason} ({killed} workers were killed meanwhile): {_shown(reasons[reason][0])}"


def _wrong_end(course: Course, side: Side) -> Iterator[str]:
    events = side.events
    if not events or events[-1].kind != "summary":
        yield "no summary at the end"
        return
    if sum(seen.kind == "summary" for seen in events) > 1:
        yield "several summaries"
    state = events[-1].state
    if state == "DONE" and not any(seen.kind == "classified" for seen in events):
        yield "DONE without a classification"
    allowed = {"DONE", "CANCELLED"} if course.ask.behaviour in _STOPPED else {"DONE"}
    if state not in allowed:
        yield f"ended {state}"
    if course.job is not None and course.job.state != state:
        yield f"GetJob says {course.job.state}, the summary {state}"


def _wrong_twins(course: Course) -> Iterator[str]:
    if len(course.sides) < 2:
        return
    one, other = course.sides
    if one.job_id != other.job_id:
        yield "the same request_id gave two jobs"
    maps = [{seen.keys: seen.digest for seen in side.events if seen.final} for side in course.sides]
    if maps[0] != maps[1]:
        yield "the same job showed different final maps to two streams"


def _wrong_stop(course: Course) -> Iterator[str]:
    if not course.stopped or course.restarted:
        return
    if course.job is None:
        yield "nobody knows how the job ended that was stopped"
    elif course.job.ended == 0:
        yield f"the job was still {course.job.state} long after it was stopped"
    elif course.job.ended - course.stopped > STOP_S:
        yield f"the job ended {course.job.ended - course.stopped:.1f} s after it was stopped"


def _shown(key: tuple[str, int, str, str, str]) -> str:
    model, version, method, how, label = key
    return f"{method}{f' ({how})' if how else ''} of {label} on {model} v{version}"
