"""Keeps a Ray running: starts it, and starts it again, or joins it again, whenever it is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ..errors import CannotServe
from .actor import WorkerActor, WorkerLost
from .ray_calls import in_thread
from .ray_runtime import RayRuntime

__all__ = ["RayKeeper"]

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_GIVE_UP_SECONDS = 10.0
"""Time that a start has to end when it is not wanted any more; joining a head that is there takes some three."""


class RayKeeper:
    """A Ray that is there, or will be again.

    Parameters
    ----------
    address : str, optional
        A Ray cluster to join; none starts a private one on this machine.
    workers, threads_per_worker : int
        For how many workers, each with how many processor cores.
    lost : callable
        Is called whenever Ray is gone, and its actors with it.

    Attributes
    ----------
    runs : asyncio.Event
        Set while Ray is there.
    runtime : RayRuntime
        What is kept running.
    gpus : float
        Share of a GPU for each worker; 0 without GPUs.
    """

    def __init__(self, address: str | None, *, workers: int, threads_per_worker: int, lost: Callable[[], None]) -> None:
        self.runs = asyncio.Event()
        self.runtime = RayRuntime(address, cpus=workers * threads_per_worker, workers=workers)
        self.gpus = 0.0
        self._workers = workers
        self._lost = lost
        self._ray: Any = None
        self._starts = 0
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start Ray, or join it; call it before gRPC starts, since Ray starts processes.

        Raises
        ------
        CannotServe
            If it does not start; the text says what to do.
        """
        starting = asyncio.ensure_future(in_thread(self.runtime.start))
        try:
            self._ray = await asyncio.shield(starting)
        except asyncio.CancelledError:  # Its thread goes on: what it starts must be stopped.
            await self._give_up(starting)
            await in_thread(self.runtime.stop)
            raise
        try:
            self.gpus = await in_thread(self.runtime.gpus_for_each_of, self._workers)
        except BaseException:
            await self.stop()
            raise
        self.runs.set()

    def keep(self) -> None:
        """Look after it from now on."""
        self._keeping = asyncio.create_task(self._keep())

    async def look_away(self) -> None:
        """Look after it no more; who waits for it waits no longer."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        self.runs.set()

    async def stop(self) -> None:
        """Stop it where it was started here."""
        await in_thread(self.runtime.stop)

    async def actor(self, make: Callable[[Any], WorkerActor], within_s: float) -> WorkerActor:
        """Make an actor in the Ray that runs now.

        Parameters
        ----------
        make : callable
            Makes it with the module `ray`; may block.
        within_s : float
            Seconds that it has.

        Raises
        ------
        WorkerLost
            If there is none.
        """
        start = self._starts
        making = asyncio.ensure_future(in_thread(make, self._ray))
        try:
            await asyncio.wait({making}, timeout=within_s)
            if not making.done():
                raise WorkerLost("no answer")
            actor = making.result()
        except Exception as error:
            raise WorkerLost(type(error).__name__) from error
        finally:
            making.cancel()
        if start != self._starts or not self.runs.is_set():
            actor.forsake()
        return actor

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if await in_thread(self._alive):
                continue
            _log.error("Ray is lost; it is started again, or joined as soon as it is there")
            self.runs.clear()
            self._starts += 1
            self._lost()
            pause_s = _FIRST_PAUSE_SECONDS
            while not await self._start_again():
                _log.error("Ray is still away; next try in %.0f s", pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_SECONDS)
            self.runs.set()
            _log.warning("Ray is back")

    def _alive(self) -> bool:
        try:
            return self.runtime.alive()
        except Exception:  # noqa: BLE001 - who keeps Ray must go on
            _log.exception("It cannot be told whether Ray is there: it counts as lost")
            return False

    async def _start_again(self) -> bool:
        def again() -> bool:
            try:
                self.runtime.restart()
                self.gpus = self.runtime.gpus_for_each_of(self._workers)
            except CannotServe as error:
                _log.error("%s", error)
                return False
            except Exception:  # noqa: BLE001 - the next try may go well, and there must be one
                _log.exception("Ray does not start")
                return False
            return True

        starting = asyncio.ensure_future(in_thread(again))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:  # Its thread goes on; stopping must wait for it.
            await self._give_up(starting)
            raise

    async def _give_up(self, starting: asyncio.Future[Any]) -> None:
        """End a start that is under way; one that hangs in Ray is left to its thread."""
        self.runtime.give_up()
        await asyncio.wait({starting}, timeout=_GIVE_UP_SECONDS)
        # Nobody is told how it went.
        starting.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
