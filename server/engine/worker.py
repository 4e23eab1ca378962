"""A worker process. Ray makes it an actor; nothing here needs Ray."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from ...handlers.errors import HandlersError
from ...plugins import Applicability, Cancelled, Need, load_registry
from .explainer import Explainer
from .task import ItemTask, ModelRef, WorkerDone, WorkerEvent, WorkerFailure, WorkerMap, WorkerProgress

__all__ = ["CONTROL_GROUP", "ExplanationWorker", "WorkerState"]

CONTROL_GROUP = "control"
"""Concurrency group of the calls that must be answered while a task runs."""

_QUEUE_EVENTS = 8
"""Events that may wait for the gateway. A map has the size of the network's input."""


@dataclass(frozen=True)
class WorkerState:
    """What a worker says of itself.

    Parameters
    ----------
    pid : int
        Its process.
    warm : tuple of (str, int)
        Names and versions of the networks it has loaded, most recently used last.
    """

    pid: int
    warm: tuple[tuple[str, int], ...]


class ExplanationWorker:
    """Works on one task at a time and can be talked to meanwhile.

    The method runs in a thread beside the generator that hands out its events: it is a blocking computation, which
    cannot yield from its inside.

    Parameters
    ----------
    threads : int
        Threads to compute with.
    warm_models : int
        Networks that stay loaded.
    max_pixels : int
        Limit of an X-ray's height x width.
    """

    def __init__(self, threads: int, warm_models: int, max_pixels: int) -> None:
        torch.set_num_threads(threads)
        self._explainer = Explainer(load_registry(), warm_models=warm_models, max_pixels=max_pixels)
        self._cancelled: set[int] = set()

    def run(self, run_id: int, task: ItemTask, image: bytes) -> Iterator[WorkerEvent]:
        """Work on a task.

        Parameters
        ----------
        run_id : int
            Larger than those of this worker's earlier runs.
        task : ItemTask
            What to do, its image left out.
        image : bytes
            The image; an argument of its own, which Ray keeps in shared memory.

        Yields
        ------
        WorkerEvent
            As :data:`~radiolucent.server.engine.task.WorkerEvent` says.
        """
        # A cancellation may overtake its run, and may come when its run is over; the latter ends here.
        self._cancelled = {other for other in self._cancelled if other >= run_id}
        outbox = _Outbox(lambda: run_id in self._cancelled)
        thread = threading.Thread(
            target=self._explainer.run,
            args=(replace(task, image=image), outbox.put, outbox.cancelled),
            name="explainer",
            daemon=True,
        )
        thread.start()
        try:
            yield from outbox
        finally:
            self._cancelled.add(run_id)
            outbox.close()
            thread.join()

    def inspect(self, model: ModelRef) -> Applicability:
        """Find out what a network can serve; takes as long as some passes through it."""
        try:
            return self._explainer.inspect(model)
        except HandlersError:
            # Its words name a path of this machine.
            return Applicability(missing=dict.fromkeys(Need, "has a TorchScript copy that could not be loaded"))

    def cancel(self, run_id: int) -> None:
        """Have a run stop at its next forward pass. By its id: a flag would stop the next run as well."""
        self._cancelled.add(run_id)

    def sleep(self) -> None:
        """Never return: whoever waits for this learns at once when the process is gone."""
        threading.Event().wait()

    def ping(self) -> WorkerState:
        """Answer."""
        return WorkerState(os.getpid(), self._explainer.warm)


class _Outbox:
    """Events on their way out: few wait, and what a later one makes worthless is dropped rather than waited for."""

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self.cancelled = cancelled
        self._events: queue.Queue[WorkerEvent] = queue.Queue(_QUEUE_EVENTS)
        self._closed = False

    def close(self) -> None:
        """Nobody takes events any more."""
        self._closed = True

    def put(self, event: WorkerEvent) -> None:
        if isinstance(event, WorkerProgress) or (isinstance(event, WorkerMap) and not event.final):
            self._offer(event, wait_s=0)
            return
        last = isinstance(event, (WorkerDone, WorkerFailure))
        while not self._closed and not self._offer(event, wait_s=0.1):
            if self.cancelled() and not last:
                raise Cancelled

    def _offer(self, event: WorkerEvent, wait_s: float) -> bool:
        try:
            self._events.put(event, block=wait_s > 0, timeout=wait_s)
        except queue.Full:
            return False
        return True

    def __iter__(self) -> Iterator[WorkerEvent]:
        while True:
            event = self._events.get()
            yield event
            if isinstance(event, (WorkerDone, WorkerFailure)):
                return
