"""A worker process. Ray makes it an actor; nothing here needs Ray."""

from __future__ import annotations

import gc
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import torch

from ...handlers.errors import HandlersError
from ...plugins import Applicability, Cancelled, Need, load_registry
from .explainer import Explainer
from .memory import MemoryBudget, primitives_kept, return_free_memory
from .segmented import Segmented
from .task import FailureReason, ItemTask, ModelRef, WorkerDone, WorkerEvent, WorkerFailure, WorkerMap, WorkerProgress

__all__ = ["CONTROL_GROUP", "ExplanationWorker", "WorkerState"]

CONTROL_GROUP = "control"
"""Concurrency group of the calls that must be answered while a task runs."""

_LOOK_SECONDS = 1.0
_UNSOUND = (FailureReason.OUT_OF_MEMORY, FailureReason.WORKER)
_LITTER_BYTES = 128 * 2**20
"""Growth of a worker after which what nobody refers to is looked for."""
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
    runs : int
        Tasks that it has taken on.
    memory_bytes : int
        What it has taken of the memory that it may take.
    quiet_s : float
        Seconds since its method made a forward pass or gave another sign; 0 where none runs.
    sound : bool
        Whether it can be trusted with more; not once it ran out of memory or its thread broke down.
    """

    pid: int
    warm: tuple[tuple[str, int], ...]
    runs: int
    memory_bytes: int
    quiet_s: float
    sound: bool = True


class ExplanationWorker:
    """Works on one task at a time and can be talked to meanwhile.

    The method runs in a thread beside the generator that hands out its events: it is a blocking computation, which
    cannot yield from its inside. It is the same thread for all tasks: each thread has its own part of the heap, and one
    per task would leave a little behind in every part.

    Parameters
    ----------
    threads : int
        Threads to compute with.
    warm_bytes : int
        Weights that stay loaded, bytes.
    max_pixels : int
        Limit of an X-ray's height x width.
    memory_bytes : int
        What it may take; an item that needs more fails.
    """

    def __init__(self, threads: int, warm_bytes: int, max_pixels: int, memory_bytes: int) -> None:
        torch.set_num_threads(threads)
        # Read at the first convolution.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(primitives_kept(memory_bytes)))
        # Ray shows a worker the graphics card that it was given, and no other.
        device = torch.device("cuda") if torch.cuda.is_available() else None
        # What a graphics card maps counts as well, and is no memory of this machine.
        self._memory = MemoryBudget(memory_bytes if device is None else None)
        if device is not None:  # Tensor cores round to ten bits by default; explanations are float32 everywhere.
            torch.backends.cudnn.allow_tf32 = False
        self._explainer = Explainer(load_registry(), warm_bytes=warm_bytes, max_pixels=max_pixels, device=device)
        gc.freeze()  # what was imported stays: collections need not look at it
        self._tidy_bytes = 0
        self._sound = True
        self._cancelled: set[int] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explainer")
        self._runs = 0
        self._sign: float | None = None

    def run(self, run_id: int, task: ItemTask, image: bytes) -> Iterator[WorkerEvent | WorkerState]:
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
        WorkerEvent or WorkerState
            As :data:`~radiolucent.server.engine.task.WorkerEvent` says; then how it is afterwards.
        """
        self._runs += 1
        # A cancellation may overtake its run, and may come when its run is over; the latter ends here.
        self._cancelled = {other for other in self._cancelled if other >= run_id}
        outbox = _Outbox(lambda: self._gives_sign() and run_id in self._cancelled)
        self._gives_sign()
        running = self._thread.submit(self._explainer.run, replace(task, image=image), outbox.put, outbox.cancelled)
        try:
            for event in outbox.until_ended(lambda: not running.done()):
                if isinstance(event, WorkerFailure) and event.reason in _UNSOUND:
                    self._sound = False
                yield event
        finally:
            self._cancelled.add(run_id)
            outbox.close()
            wait([running])
            self._sign = None
        self._tidy_up()
        yield self.ping()

    def inspect(self, model: ModelRef) -> Applicability:
        """Find out what a network can serve; takes as long as some passes through it."""
        try:
            return self._thread.submit(self._explainer.inspect, model).result()
        except HandlersError:
            # Its words name a path of this machine.
            return Applicability(missing=dict.fromkeys(Need, "has a TorchScript copy that could not be loaded"))

    def segment(self, job_id: str, segmenter: str, image: bytes) -> Segmented:
        """Have a segmenter tell where the lungs are on a job's X-ray."""
        return self._thread.submit(self._explainer.segment, job_id, segmenter, image).result()

    def cancel(self, run_id: int) -> None:
        """Have a run stop at its next forward pass. By its id: a flag would stop the next run as well."""
        self._cancelled.add(run_id)

    def sleep(self) -> None:
        """Never return: whoever waits for this learns at once when the process is gone."""
        threading.Event().wait()

    def ping(self) -> WorkerState:
        """Answer."""
        sign = self._sign
        quiet_s = 0.0 if sign is None else time.monotonic() - sign
        taken = self._memory.taken()
        return WorkerState(os.getpid(), self._explainer.warm, self._runs, taken, quiet_s, self._sound)

    def _tidy_up(self) -> None:
        """Let go of what lies about, where it may be much.

        Graphs of layers are cycles. Python's own full collections are rare in a process of many objects, and what they
        leave lying about may be hundreds of megabytes of weights. One takes a third of a second: not after every item.
        """
        if self._memory.taken() > self._tidy_bytes + _LITTER_BYTES:
            gc.collect()
            return_free_memory()
            self._tidy_bytes = self._memory.taken()

    def _gives_sign(self) -> bool:
        """Note that the method is alive."""
        self._sign = time.monotonic()
        return True


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

    def until_ended(self, alive: Callable[[], bool]) -> Iterator[WorkerEvent]:
        """Yield the events up to the last, which is a failure where their thread ends without one."""
        while True:
            try:
                event = self._events.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if alive() or not self._events.empty():
                    continue
                event = WorkerFailure(FailureReason.WORKER, "the worker broke down", ())
            yield event
            if isinstance(event, (WorkerDone, WorkerFailure)):
                return
