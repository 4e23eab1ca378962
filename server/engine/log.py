"""The numbered events of one job, read by any number of watchers, each at its own pace."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Hashable
from datetime import datetime, timezone

from ..errors import JobNotFound
from .events import Event, Heartbeat, Heatmap, Progress, Record, Summary

__all__ = ["EventLog"]


class EventLog:
    """Events in the order in which they happened, the first of them with sequence 1.

    A progress report or a partial map is *superseded* by the next one of the same item (and label): the older one is
    dropped from the log. So its memory is bounded by the size of the job, however long it runs and however slow
    somebody reads. A watcher that keeps up sees everything; one that falls behind, or comes back later, misses only
    what is superseded, and sees that from a gap in the sequence, which otherwise grows by one. No other event is ever
    dropped, and the order is always kept.

    Everything here runs in the event loop's thread.
    """

    def __init__(self) -> None:
        self._records: dict[int, Record] = {}
        self._sequences: list[int] = []
        self._latest: dict[Hashable, int] = {}
        self._changed = asyncio.Event()
        self._nbytes = 0
        self.last_sequence = 0
        """Sequence of the last event; 0 before the first."""
        self._discarded = False
        self.closed = False
        """Whether the last event is in it: a summary."""

    @property
    def nbytes(self) -> int:
        """Memory that the arrays of its events take, bytes."""
        return self._nbytes

    def __len__(self) -> int:
        """Return the number of events that are kept."""
        return len(self._sequences)

    def append(self, event: Event) -> Record:
        """Add an event; a summary closes the log.

        Returns
        -------
        Record
            The event with its sequence.

        Raises
        ------
        RuntimeError
            If the log is closed: nothing comes after a summary.
        """
        if self.closed:
            raise RuntimeError("the job has ended; nothing comes after its summary")
        self.last_sequence += 1
        record = Record(self.last_sequence, datetime.now(timezone.utc), event)
        self._supersede(event, record.sequence)
        self._records[record.sequence] = record
        self._sequences.append(record.sequence)
        self._nbytes += record.nbytes
        self.closed = isinstance(event, Summary)
        # Wake who waits, and give who comes next a fresh event to wait for.
        self._changed.set()
        self._changed = asyncio.Event()
        return record

    def discard(self) -> None:
        """Let go of all events; who has not read to the end never will."""
        self._discarded = True
        self._records.clear()
        self._sequences.clear()
        self._latest.clear()
        self._nbytes = 0

    async def follow(self, after: int, heartbeat_seconds: float) -> AsyncGenerator[Record, None]:
        """Yield the events after a sequence, those to come included; ends after the summary.

        Parameters
        ----------
        after
            Sequence of the last event that is known already; 0 for none.
        heartbeat_seconds
            After so much silence a heartbeat is yielded.

        Yields
        ------
        Record
            With strictly increasing sequence; a heartbeat repeats the one before it.

        Raises
        ------
        JobNotFound
            If the events are discarded before the summary was read.
        """
        position = after
        while True:
            if self._discarded and position < self.last_sequence:
                raise JobNotFound
            if (record := self._next(position)) is not None:
                position = record.sequence
                yield record
            elif self.closed:
                return
            elif not await self._changes(heartbeat_seconds):
                yield Record(position, datetime.now(timezone.utc), Heartbeat())

    async def _changes(self, seconds: float) -> bool:
        """Wait until an event is added; False if none is within so many seconds."""
        # Not asyncio.wait_for: before Python 3.12 it may swallow a cancellation, and a lost client would go unnoticed.
        change = asyncio.ensure_future(self._changed.wait())
        try:
            done, _ = await asyncio.wait({change}, timeout=seconds)
            return bool(done)
        finally:
            change.cancel()

    def _next(self, position: int) -> Record | None:
        index = bisect_right(self._sequences, position)
        return self._records[self._sequences[index]] if index < len(self._sequences) else None

    def _supersede(self, event: Event, sequence: int) -> None:
        match event:
            case Progress(item=item):
                key: Hashable = ("progress", item)
            case Heatmap(item=item, label=label):
                key = ("heatmap", item, label)
            case _:
                return
        older = self._latest.pop(key, None)
        if older is not None:
            self._nbytes -= self._records.pop(older).nbytes
            del self._sequences[bisect_right(self._sequences, older) - 1]
        if not (isinstance(event, Heatmap) and event.final):
            self._latest[key] = sequence
