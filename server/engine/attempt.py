"""One task on one worker, watched."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import aclosing
from dataclasses import replace

from .actor import WorkerActor, WorkerLost
from .task import WorkerEvent, WorkerFailure, WorkerInput, WorkerMap
from .ticket import Ticket
from .worker import WorkerState

__all__ = ["Attempt"]

_log = logging.getLogger(__name__)


class Attempt:
    """Passes a worker's events on, passes a cancellation to it, and notices when it is lost.

    Parameters
    ----------
    actor : WorkerActor
        The worker, idle.
    ticket : Ticket
        The task.
    run_id : int
        Larger than those of earlier attempts.
    cancel_grace_s : float
        Seconds that it has to heed a cancellation.
    heartbeat_s : float
        Seconds of silence after which it is asked whether it lives, and that it has to answer.
    stall_s : float
        Seconds without a forward pass, an event or any other sign of its method, after which it is taken to hang.
    """

    def __init__(
        self,
        actor: WorkerActor,
        ticket: Ticket,
        run_id: int,
        *,
        cancel_grace_s: float,
        heartbeat_s: float,
        stall_s: float,
    ) -> None:
        self._actor = actor
        self._ticket = ticket
        self._run_id = run_id
        self._grace_s = cancel_grace_s
        self._heartbeat_s = heartbeat_s
        self._stall_s = stall_s
        self._heard = time.monotonic()

    async def run(self) -> WorkerState | None:
        """Work on the task until its last event.

        Returns
        -------
        WorkerState or None
            How the worker is afterwards. None: it is dead, deaf or hangs, and the last event may be still to come.
        """
        reader = asyncio.create_task(self._read())
        watchdog = asyncio.create_task(self._watch())
        try:
            await asyncio.wait({reader, watchdog}, return_when=asyncio.FIRST_COMPLETED)
            return reader.result() if reader.done() else None
        finally:
            reader.cancel()
            watchdog.cancel()
            await asyncio.gather(reader, watchdog, return_exceptions=True)

    async def _read(self) -> WorkerState | None:
        """Pass events on until the last one; None if the worker is lost before it says how it is."""
        try:
            async with aclosing(self._actor.run(self._run_id, self._ticket.remaining)) as events:
                async for event in events:
                    self._heard = time.monotonic()
                    if isinstance(event, WorkerState):
                        return event
                    if isinstance(event, WorkerFailure) and event.error_id:
                        _log.error("an explanation failed, error %s: %s", event.error_id, event.details)
                    for one in event.measurements if isinstance(event, WorkerMap) else ():
                        if one.error_id:
                            _log.error("a measure failed, error %s: %s", one.error_id, one.details)
                    await self._ticket.put(_own(event))
        except WorkerLost as error:
            _log.warning("worker process %d is lost (%s)", self._actor.pid, error)
        return None

    async def _watch(self) -> None:
        """Return when the worker ignores a cancellation, or does not answer."""
        if await self._lost_before(self._ticket.cancelled):
            return
        self._actor.cancel(self._run_id)
        await asyncio.sleep(self._grace_s)
        if not self._ticket.ended:
            _log.warning("worker process %d ignores a cancellation", self._actor.pid)
            return
        # It heeded it, and tidies up: on a busy machine for longer than the grace.
        await self._lost_before(asyncio.Event())

    async def _lost_before(self, event: asyncio.Event) -> bool:
        """Ask a silent worker whether it lives, until the event; whether it does not, or hangs."""
        happened = asyncio.create_task(event.wait())
        try:
            while not happened.done():
                await asyncio.wait({happened}, timeout=self._heartbeat_s)
                if happened.done() or time.monotonic() - self._heard < self._heartbeat_s:
                    continue
                asking = asyncio.create_task(self._problem())
                try:
                    await asyncio.wait({happened, asking}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    asking.cancel()
                if not happened.done() and (problem := asking.result()):
                    _log.warning("worker process %d %s", self._actor.pid, problem)
                    return True
        finally:
            happened.cancel()
        return False

    async def _problem(self) -> str | None:
        """Say what is wrong with a silent worker; None where nothing is."""
        try:
            state = await self._actor.ping(self._heartbeat_s)
        except WorkerLost:
            return "does not answer"
        return f"hangs: its method gave no sign for {state.quiet_s:.0f} s" if state.quiet_s > self._stall_s else None


def _own(event: WorkerEvent) -> WorkerEvent:
    """Copy arrays out of Ray's object store, which they would keep occupied as long as somebody holds them."""
    match event:
        case WorkerInput():
            return replace(event, tensor=event.tensor.copy())
        case WorkerMap():
            values = event.values.copy() if event.values is not None else None
            return replace(event, heatmap=event.heatmap.copy(), values=values)
        case _:
            return event
