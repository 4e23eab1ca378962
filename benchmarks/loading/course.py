"""What a client saw of one request: every event of every stream, reduced to what a verdict needs."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any

from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb

from .asks import Ask

__all__ = ["Course", "JobFacts", "Key", "Leg", "Seen", "Side"]

Key = tuple[str, int, str, str, str]
"""What is owed to a client: network, version, method, aggregation (empty for none), label."""


@dataclass(frozen=True)
class Seen:
    """One event.

    Attributes
    ----------
    at
        When it came, seconds of the monotonic clock.
    sequence, kind, job_id
        As the event says.
    keys
        What is planned (classified), brought (heatmap), missing (failure) or delivered (summary).
    final, digest
        Whether a heatmap is final, and the digest of its values.
    reason
        Of a failure, without its prefix.
    state
        Of a summary, without its prefix.
    """

    at: float
    sequence: int
    kind: str
    job_id: str = ""
    keys: tuple[Key, ...] = ()
    final: bool = False
    digest: str = ""
    reason: str = ""
    state: str = ""

    @classmethod
    def of(cls, event: pb.JobEvent) -> Seen:
        """Reduce an event that has just come."""
        kind = event.WhichOneof("event") or ""
        body = getattr(event, kind) if kind else None
        return cls(time.monotonic(), event.sequence, kind, event.job_id, **_REDUCE.get(kind, _nothing)(body))


def _nothing(_: Any) -> dict[str, Any]:  # noqa: ANN401 - any event
    return {}


def _classified(body: pb.Classified) -> dict[str, Any]:
    return {"keys": tuple(key for item in body.items for key in _keys(item, item.labels))}


def _heatmap(body: pb.Heatmap) -> dict[str, Any]:
    how = body.aggregate.aggregation.WhichOneof("kind") or "" if body.HasField("aggregate") else ""
    key = (body.model.name, body.model.version, body.method, how, body.label)
    digest = hashlib.sha256(body.heatmap.float32_le).hexdigest()[:16] if body.final else ""
    return {"keys": (key,), "final": body.final, "digest": digest}


def _failure(body: pb.Failure) -> dict[str, Any]:
    reason = pb.FailureReason.Name(body.reason).removeprefix("FAILURE_REASON_")
    return {"keys": _keys(body.item, body.item.labels), "reason": reason}


def _summary(body: pb.Summary) -> dict[str, Any]:
    keys = tuple(key for one in body.items for key in _keys(one.item, one.delivered))
    return {"keys": keys, "state": pb.JobState.Name(body.state).removeprefix("JOB_STATE_")}


_REDUCE = {"classified": _classified, "heatmap": _heatmap, "failure": _failure, "summary": _summary}


def _keys(item: pb.Item, labels: Any) -> tuple[Key, ...]:  # noqa: ANN401 - a repeated field
    how = item.aggregation.WhichOneof("kind") or "" if item.HasField("aggregation") else ""
    return tuple((item.model.name, item.model.version, item.method, how, label) for label in labels)


@dataclass
class Leg:
    """One stream, from its call to its end.

    Attributes
    ----------
    begun, ended
        Seconds of the monotonic clock.
    after
        Sequence after which it was to go on.
    seen
        Its events.
    status
        Name of the gRPC status it ended with; `CUT` where the client left.
    text
        What the status says.
    fields
        Fields that a BadRequest in the status names.
    retry_s
        Seconds that a RetryInfo in the status names.
    """

    begun: float
    after: int = 0
    seen: list[Seen] = field(default_factory=list)
    ended: float = 0.0
    status: str = ""
    text: str = ""
    fields: tuple[str, ...] = ()
    retry_s: float | None = None


@dataclass(frozen=True)
class JobFacts:
    """What GetJob says of a job: its state, and when it ended (seconds since the epoch; 0 where it has not)."""

    state: str
    ended: float
    accepted: float = 0.0
    last_sequence: int = 0


@dataclass
class Side:
    """All streams that one client had of one job, in their order."""

    legs: list[Leg] = field(default_factory=list)

    @property
    def events(self) -> list[Seen]:
        """Everything that came."""
        return [seen for leg in self.legs for seen in leg.seen]

    @property
    def job_id(self) -> str:
        """The job; empty before its first event."""
        return next((seen.job_id for seen in self.events), "")

    @property
    def last_sequence(self) -> int:
        """Where to go on from."""
        return max((seen.sequence for seen in self.events), default=0)


@dataclass
class Course:
    """All that happened to one request.

    Attributes
    ----------
    ask
        What was asked.
    sides
        One, or two where the same request was sent twice.
    begun, ended
        Seconds of the monotonic clock.
    refusals
        Seconds to wait that each RESOURCE_EXHAUSTED named; None where one named none.
    stopped
        When the client asked to stop it, or left it: seconds since the epoch. 0: it did not.
    restarted
        Whether the job was started anew, by the call that looked for the one whose name the client had not learnt.
    job
        What GetJob says in the end; None where it was not asked.
    stranger
        Status that another caller got who asked for the job; empty where nobody did.
    given_up
        Whether it had not been admitted when the run was over.
    fault
        What went wrong in the client itself, or a time that ran out; empty for nothing.
    """

    ask: Ask
    sides: list[Side] = field(default_factory=lambda: [Side()])
    refusals: list[float | None] = field(default_factory=list)
    begun: float = 0.0
    ended: float = 0.0
    stopped: float = 0.0
    restarted: bool = False
    job: JobFacts | None = None
    stranger: str = ""
    given_up: bool = False
    fault: str = ""
