"""What a stream of events says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb


def happenings(stream: Iterable[pb.ExplainResponse | pb.WatchJobResponse]) -> Iterator[pb.JobEvent]:
    """Leave heartbeats out: on a busy machine one may come anywhere, even before the classification."""
    return (answer.event for answer in stream if not answer.event.HasField("heartbeat"))
