"""The gateway's side of one worker process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import psutil

from ...plugins import Applicability
from .task import ItemTask, ModelRef, WorkerEvent
from .worker import CONTROL_GROUP, ExplanationWorker, WorkerState

__all__ = ["WorkerActor", "WorkerLost"]

_BACKLOG = 8
"""Events that may lie in Ray's object store; then the worker waits."""


class WorkerLost(Exception):
    """A worker died, cannot be reached, or broke down outside of the method it ran."""


class WorkerActor:
    """A worker as a Ray actor. One process; a replacement is another one.

    Parameters
    ----------
    ray : module
        The running `ray`.
    local : bool
        Whether it runs on this machine for sure.
    threads, warm_bytes, max_pixels, memory_bytes
        See :class:`~radiolucent.server.engine.worker.ExplanationWorker`.

    Attributes
    ----------
    pid : int
        Its process, once it answered.
    """

    def __init__(
        self,
        ray: Any,  # noqa: ANN401
        *,
        local: bool,
        threads: int,
        warm_bytes: int,
        max_pixels: int,
        memory_bytes: int,
    ) -> None:
        self._ray = ray
        self._errors: type[Exception] = ray.exceptions.RayError
        self._local = local
        self._process: psutil.Process | None = None
        self.pid = 0
        # Two control threads: one is taken by `died`.
        remote = ray.remote(num_cpus=threads, max_restarts=0, concurrency_groups={CONTROL_GROUP: 2})(ExplanationWorker)
        self._actor = remote.remote(threads, warm_bytes, max_pixels, memory_bytes)

    async def ping(self, within_s: float) -> WorkerState:
        """Ask it whether it lives; waits for its start.

        Parameters
        ----------
        within_s : float
            Seconds that it has to answer.

        Raises
        ------
        WorkerLost
            If it does not.
        """
        # Not asyncio.wait_for: until Python 3.12 it may swallow the cancellation of whoever waits.
        answer = asyncio.ensure_future(self._control("ping"))
        try:
            await asyncio.wait({answer}, timeout=within_s)
            if not answer.done():
                raise WorkerLost("no answer")
            state: WorkerState = answer.result()
        except self._errors as error:
            raise WorkerLost(type(error).__name__) from error
        finally:
            answer.cancel()
        self.pid = state.pid
        if self._local and self._process is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._process = psutil.Process(state.pid)
        return state

    async def died(self) -> None:
        """Wait until its process is gone."""
        with contextlib.suppress(self._errors):
            await self._control("sleep")

    async def run(self, run_id: int, task: ItemTask) -> AsyncGenerator[WorkerEvent | WorkerState, None]:
        """Start a task and yield its events, then how the worker is afterwards.

        Raises
        ------
        WorkerLost
            If the last event does not come.
        """
        try:
            image = await asyncio.to_thread(self._ray.put, task.image)
            method = self._actor.run.options(num_returns="streaming", _generator_backpressure_num_objects=_BACKLOG)
            async for reference in method.remote(run_id, replace(task, image=b""), image):
                event: WorkerEvent | WorkerState = await reference
                yield event
        except self._errors as error:
            raise WorkerLost(type(error).__name__) from error

    async def inspect(self, model: ModelRef) -> Applicability:
        """Have it find out what a network can serve.

        Raises
        ------
        WorkerLost
            If it dies over it.
        """
        try:
            found: Applicability = await self._actor.inspect.remote(model)
        except self._errors as error:
            raise WorkerLost(type(error).__name__) from error
        return found

    def cancel(self, run_id: int) -> None:
        """Have a task stop; returns at once."""
        self._control("cancel", run_id)

    async def kill(self) -> None:
        """End its process, whatever it is doing."""
        with contextlib.suppress(self._errors, ValueError):
            await asyncio.to_thread(self._ray.kill, self._actor)
        if self._process is not None:
            # Ray asks politely first; code that never lets go of the interpreter does not hear it.
            with contextlib.suppress(psutil.NoSuchProcess):
                self._process.send_signal(signal.SIGKILL)

    def _control(self, name: str, *args: object) -> Any:  # noqa: ANN401 - a Ray reference
        return getattr(self._actor, name).options(concurrency_group=CONTROL_GROUP).remote(*args)
