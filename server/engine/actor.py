"""The gateway's side of one worker process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import psutil

from ...plugins import Applicability
from .lungs import Segmented
from .ray_calls import in_thread
from .task import ItemTask, ModelRef, WorkerEvent
from .worker import CONTROL_GROUP, ExplanationWorker, WorkerState

__all__ = ["WorkerActor", "WorkerLost"]

_T = TypeVar("_T")
_BACKLOG = 8
"""Events that may lie in Ray's object store; then the worker waits."""
_KILL_SECONDS = 5.0


class WorkerLost(Exception):
    """A worker died, cannot be reached, or broke down outside of the method it ran."""


class WorkerActor:
    """A worker as a Ray actor. One process; a replacement is another one.

    Making one may block for as long as Ray's head is away: keep it off the event loop.

    Parameters
    ----------
    ray : module
        The running `ray`.
    local : bool
        Whether it runs on this machine for sure.
    gpus : float
        Share of a GPU that it asks for; Ray then shows it that GPU alone.
    threads, warm_bytes, max_pixels, memory_bytes
        See :class:`~radiolucent.server.engine.worker.ExplanationWorker`.

    Attributes
    ----------
    pid : int
        Its process, once it answered.
    """

    def __init__(
        self,
        ray: Any,  # noqa: ANN401 - a module without types
        *,
        local: bool,
        gpus: float,
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
        self._forsaken = asyncio.Event()
        # Two control threads: one is taken by `died`.
        remote = ray.remote(
            num_cpus=threads,
            num_gpus=gpus,
            max_restarts=0,
            concurrency_groups={CONTROL_GROUP: 2},
            # On the machines of a cluster in turn: Ray would fill one to the half first.
            scheduling_strategy="SPREAD",
        )(ExplanationWorker)
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
        state: WorkerState = await self._answer(lambda: self._control("ping"), within_s)
        self.pid = state.pid
        if self._local and self._process is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._process = psutil.Process(state.pid)
        return state

    async def died(self) -> None:
        """Wait until its process is gone."""
        with contextlib.suppress(WorkerLost):
            await self._answer(lambda: self._control("sleep"))

    async def run(self, run_id: int, task: ItemTask) -> AsyncGenerator[WorkerEvent | WorkerState, None]:
        """Start a task and yield its events, then how the worker is afterwards.

        Raises
        ------
        WorkerLost
            If the last event does not come.
        """
        image = await self._answer(lambda: in_thread(self._ray.put, task.image))
        method = self._actor.run.options(num_returns="streaming", _generator_backpressure_num_objects=_BACKLOG)
        try:
            references = method.remote(run_id, replace(task, image=b""), image)
        except self._errors as error:
            raise WorkerLost(type(error).__name__) from error
        del image  # Ray keeps it as long as the task needs it.
        while True:
            try:
                reference = await self._answer(references.__anext__)
            except StopAsyncIteration:
                return
            event: WorkerEvent | WorkerState = await self._answer(partial(asyncio.ensure_future, reference))
            yield event

    async def inspect(self, model: ModelRef) -> Applicability:
        """Have it find out what a network can serve.

        Raises
        ------
        WorkerLost
            If it dies over it.
        """
        found: Applicability = await self._answer(lambda: self._actor.inspect.remote(model))
        return found

    async def segment(self, job_id: str, segmenter: str, image: bytes) -> Segmented:
        """Have it tell where the lungs are on a job's X-ray.

        Raises
        ------
        WorkerLost
            If it dies over it.
        """
        file = await self._answer(lambda: in_thread(self._ray.put, image))
        found: Segmented = await self._answer(lambda: self._actor.segment.remote(job_id, segmenter, file))
        # Copied out of Ray's object store, which it would keep occupied.
        return found if found.values is None else replace(found, values=found.values.copy())

    def cancel(self, run_id: int) -> None:
        """Have a task stop; returns at once."""
        if not self._forsaken.is_set():
            with contextlib.suppress(self._errors):
                self._control("cancel", run_id)

    def forsake(self) -> None:
        """Take it for lost since its Ray is: whoever waits for it learns so, and nobody asks that Ray any more."""
        self._forsaken.set()

    async def kill(self) -> None:
        """End its process, whatever it is doing."""
        with contextlib.suppress(WorkerLost, ValueError):
            await self._answer(lambda: in_thread(self._ray.kill, self._actor), _KILL_SECONDS)
        if self._process is not None:
            # Ray asks politely first; code that never lets go of the interpreter does not hear it.
            with contextlib.suppress(psutil.NoSuchProcess):
                self._process.send_signal(signal.SIGKILL)

    def _control(self, name: str, *args: object) -> Any:  # noqa: ANN401 - a Ray reference
        return getattr(self._actor, name).options(concurrency_group=CONTROL_GROUP).remote(*args)

    async def _answer(self, ask: Callable[[], Awaitable[_T]], within_s: float | None = None) -> _T:
        """Ask Ray for something and wait until it comes, or is not going to."""
        if self._forsaken.is_set():
            raise WorkerLost("its Ray is gone")
        # Not asyncio.wait_for: until Python 3.12 it may swallow the cancellation of whoever waits.
        forsaken = asyncio.ensure_future(self._forsaken.wait())
        answer: asyncio.Future[_T] | None = None
        try:
            answer = asyncio.ensure_future(ask())
            await asyncio.wait({answer, forsaken}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise WorkerLost("its Ray is gone" if forsaken.done() else "no answer")
            return answer.result()
        except self._errors as error:
            raise WorkerLost(type(error).__name__) from error
        finally:
            forsaken.cancel()
            if answer is not None:
                answer.cancel()
