"""The explanation workers of one gateway."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Hashable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ...plugins import Applicability
from ..errors import CannotServe
from .actor import WorkerActor, WorkerLost
from .attempt import Attempt
from .films import KEPT_FILMS
from .order import Priority
from .pool_settings import PoolSettings, WorkerInfo
from .ray_keeper import RayKeeper
from .segmented import Segmented
from .task import FailureReason, ItemTask, ModelRef, WorkerDone, WorkerEvent, WorkerFailure
from .ticket import Claim, Memory, Ticket, Turn
from .turns import FairTurns
from .worker import WorkerState

__all__ = ["PoolSettings", "WorkerInfo", "WorkerPool"]

_log = logging.getLogger(__name__)
_INSPECTION = Turn(job_id="", caller="", seconds=1.0)
"""The gateway's own turn, when a network is looked at."""
_MIB = 2**20
_START_SECONDS = 5.0
"""About what a worker takes to start."""
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass(eq=False)
class _Worker:
    """A place in the pool; its actor is replaced when it is lost."""

    worker_id: str
    actor: WorkerActor
    busy: bool = True
    lost: bool = False
    restarts: int = 0
    warm: tuple[tuple[str, int], ...] = ()
    reserved: deque[Claim] = field(default_factory=deque)
    """What shares passes with what it works on, and so comes next here."""
    free_at: float = 0.0
    """When it will have done what it works on, estimated; monotonic seconds."""
    jobs: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_FILMS))
    """Those whose films it keeps."""
    memories: set[Memory] = field(default_factory=set)
    """Of these, the networks that it worked on for measures that take what others found out."""

    def remember(self, claim: Claim) -> None:
        """Take down what it will know."""
        if claim.turn.job_id in self.jobs:
            self.jobs.remove(claim.turn.job_id)
        self.jobs.append(claim.turn.job_id)
        self.memories = {one for one in self.memories if one[0] in self.jobs}
        if claim.memory is not None:
            self.memories.add(claim.memory)

    def forget(self) -> None:
        """Know nothing, as a new process does."""
        self.warm = ()
        self.jobs.clear()
        self.memories.clear()


class WorkerPool:
    """Runs tasks on workers, whose time is shared out fairly; see :mod:`~radiolucent.server.engine.turns`.

    Parameters
    ----------
    settings : PoolSettings
        How many workers, and how they are run.
    """

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._turns = FairTurns()
        self._ray = RayKeeper(
            settings.ray_address,
            workers=settings.workers,
            threads_per_worker=settings.threads_per_worker,
            lost=self._forsake,
        )
        self._running = False
        self._workers: list[_Worker] = []
        self._places: dict[Claim, asyncio.Future[_Worker | None]] = {}
        self._tickets: set[Ticket] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._run_ids = count(1)

    async def start(self) -> None:
        """Start the workers; call it before gRPC starts, since Ray starts processes.

        Raises
        ------
        CannotServe
            If they do not start; the text says what to do.
        """
        await self._ray.start()
        self._running = True
        try:
            for number in range(self._settings.workers):
                self._workers.append(_Worker(f"worker-{number}", await self._actor()))
            await asyncio.gather(*(worker.actor.ping(self._settings.start_timeout_s) for worker in self._workers))
        except BaseException as error:
            await self.stop()
            if isinstance(error, WorkerLost):
                raise CannotServe(
                    f"The explanation workers do not start ({error})",
                    "Check the free memory, and that the cluster has the processor cores that the settings ask for",
                ) from error
            raise
        for worker in self._workers:
            self._ready(worker)
        self._ray.keep()

    async def run(self, task: ItemTask, turn: Turn) -> AsyncGenerator[WorkerEvent, None]:
        """Run one task as soon as it has its turn.

        Never raises for what goes wrong in the task: the last event is then a `WorkerFailure`. Closing the iterator
        (or cancelling who waits for it) cancels the task; it returns at once and the worker is freed behind it.

        Parameters
        ----------
        task : ItemTask
            What to do.
        turn : Turn
            What decides when it gets a worker.

        Yields
        ------
        WorkerEvent
            A `WorkerDone` or a `WorkerFailure` is the last.
        """
        if not self._running:
            raise RuntimeError("the pool is not running")
        ticket = Ticket(task, turn)
        self._tickets.add(ticket)
        self._spawn(self._drive(ticket))
        try:
            while True:
                event = await ticket.get()
                yield event
                if isinstance(event, (WorkerDone, WorkerFailure)):
                    return
        finally:
            ticket.abandon()

    async def inspect(self, model: ModelRef) -> Applicability:
        """Have a worker find out what a network can serve.

        Raises
        ------
        WorkerLost
            If the worker is lost over it, as with a network that takes all memory.
        """
        claim = Claim(_INSPECTION, model)
        worker = await self._place(claim, again=False)
        assert worker is not None  # noqa: S101 - nobody cancels this claim
        begin, state = time.monotonic(), None
        looking = asyncio.ensure_future(worker.actor.inspect(model))
        try:
            await asyncio.wait({looking}, timeout=self._settings.stall_s)
            if not looking.done():
                raise WorkerLost("no answer")
            found = looking.result()
            state = await worker.actor.ping(self._settings.heartbeat_s)
        finally:
            looking.cancel()
            self._turns.settle(claim, time.monotonic() - begin)
            self._release(worker, state)
        return found

    async def segment(self, segmenter: str, image: bytes, turn: Turn) -> Segmented:
        """Have a worker tell where the lungs are, once; never raises for what goes wrong in it.

        Cancelling who waits for it frees the worker, whose process ends where the segmenter runs already: a stranger's
        code that computes cannot be stopped otherwise.

        Parameters
        ----------
        segmenter : str
            Its name.
        image : bytes
            The encoded X-ray.
        turn : Turn
            What decides when it gets a worker.
        """
        if not self._running:
            raise RuntimeError("the pool is not running")
        claim = Claim(turn, None)
        found: asyncio.Future[Segmented] = asyncio.get_running_loop().create_future()
        # A task of its own: a place must not be given to somebody who is gone.
        self._spawn(self._segment(claim, segmenter, image, found))
        try:
            return await found
        finally:
            claim.cancelled.set()

    async def cancel(self, job_id: str) -> None:
        """Cancel the tasks of a job, waiting and running. Their iterators end with a `WorkerFailure` (CANCELLED).

        Parameters
        ----------
        job_id : str
            The job; an unknown one is ignored.
        """
        for ticket in self._tickets:
            if ticket.turn.job_id == job_id:
                ticket.cancel()

    async def stop(self) -> None:
        """Stop the workers, and Ray where it was started here. Running tasks end as cancelled."""
        if not self._running:
            return
        self._running = False
        await self._ray.look_away()
        for ticket in self._tickets:
            ticket.cancel()
        await asyncio.gather(*(worker.actor.kill() for worker in self._workers))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._workers = []
        await self._ray.stop()

    def expected_wait_s(self, caller: Hashable, priority: Priority) -> float:
        """Estimate when a worker will begin with what a caller asks for now, seconds; others may come before."""
        if not self._workers or not all(worker.busy for worker in self._workers):
            return 0.0
        soonest = min(worker.free_at for worker in self._workers) - time.monotonic()
        own = self._turns.waiting_seconds(caller, priority) / len(self._workers)
        return max(0.0, soonest) + own

    @property
    def workers(self) -> tuple[WorkerInfo, ...]:
        """The workers as they are now."""
        return tuple(
            WorkerInfo(worker.worker_id, worker.actor.pid, worker.busy, worker.restarts, worker.warm)
            for worker in self._workers
        )

    async def _segment(self, claim: Claim, segmenter: str, image: bytes, found: asyncio.Future[Segmented]) -> None:
        outcome = Segmented(refusal=f"the worker was lost over the segmenter {segmenter!r}")
        try:
            worker = await self._place(claim, again=False)
            if worker is None:
                return
            begin, state = time.monotonic(), None
            looking = asyncio.ensure_future(worker.actor.segment(claim.turn.job_id, segmenter, image))
            stopped = asyncio.ensure_future(claim.cancelled.wait())
            try:
                limit_s = self._settings.segment_s
                await asyncio.wait({looking, stopped}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
                if looking.done():
                    outcome = looking.result()
                    state = await worker.actor.ping(self._settings.heartbeat_s)
                elif not stopped.done():
                    outcome = Segmented(refusal=f"the segmenter {segmenter!r} took more than {limit_s:.0f} s")
            except WorkerLost as error:
                _log.warning("a worker was lost over the segmenter %s (%s)", segmenter, error)
            finally:
                looking.cancel()
                stopped.cancel()
                self._turns.settle(claim, time.monotonic() - begin)
                self._release(worker, state)
            if outcome.error_id:
                _log.error("a segmenter failed, error %s: %s", outcome.error_id, outcome.details)
        finally:
            if not found.done():
                found.set_result(outcome)

    async def _drive(self, ticket: Ticket) -> None:
        """Take a task to its last event."""
        try:
            for again in (False, True):
                worker = await self._place(ticket, again=again)
                if worker is not None:
                    await self._attempt(worker, ticket)
                if ticket.ended:
                    return
                if ticket.complete:  # All that was asked for had arrived when the worker was lost.
                    break
                if ticket.cancelled.is_set():
                    await ticket.fail(FailureReason.CANCELLED, "the job was stopped")
                    return
            await ticket.fail(FailureReason.WORKER, "the worker was lost, twice")
        except Exception as error:  # noqa: BLE001 - whoever waits for the task must not wait for ever
            error_id = uuid.uuid4().hex[:12]
            _log.exception("an explanation was lost, error %s", error_id)
            details = type(error).__name__
            await ticket.fail(
                FailureReason.WORKER, f"internal error (error {error_id})", error_id=error_id, details=details
            )
        finally:
            self._tickets.discard(ticket)

    async def _attempt(self, worker: _Worker, ticket: Ticket) -> None:
        """Work on a task on a worker, and see to the worker afterwards."""
        begin = time.monotonic()
        worker.free_at = begin + ticket.turn.seconds + sum(one.turn.seconds for one in worker.reserved)
        state = None
        try:
            state = await Attempt(
                worker.actor,
                ticket,
                next(self._run_ids),
                cancel_grace_s=self._settings.cancel_grace_s,
                heartbeat_s=self._settings.heartbeat_s,
                stall_s=self._settings.stall_s,
            ).run()
        finally:
            self._turns.settle(ticket, time.monotonic() - begin)
            self._release(worker, state)

    def _release(self, worker: _Worker, state: WorkerState | None) -> None:
        """Take a worker back, or replace it: where it was lost, or has served its time."""
        if state is not None:
            worker.warm = state.warm
            settings = self._settings
            if state.sound and state.runs < settings.recycle_items and state.memory_bytes <= settings.recycle_bytes:
                self._free(worker)
                return
            memory = state.memory_bytes / _MIB
            _log.info("%s is renewed: it has run %d items and takes %.0f MiB", worker.worker_id, state.runs, memory)
        self._spawn(self._replace(worker))

    async def _place(self, claim: Claim, *, again: bool) -> _Worker | None:
        """Wait for a worker; None if the task is cancelled before."""
        place = asyncio.get_running_loop().create_future()
        self._places[claim] = place
        self._turns.push(claim, again=again)
        self._match()
        cancelled = asyncio.create_task(claim.cancelled.wait())
        try:
            await asyncio.wait({place, cancelled}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            cancelled.cancel()
            del self._places[claim]
            self._forget(claim)
        if not place.done():
            return None
        worker: _Worker = place.result()
        if claim.cancelled.is_set():
            self._turns.settle(claim, 0.0)
            self._free(worker)
            return None
        return worker

    def _match(self) -> None:
        """Give idle workers to those whose turn it is."""
        while idle := [worker for worker in self._workers if not worker.busy]:
            here = {memory for worker in idle for memory in worker.memories}
            everywhere = {memory for worker in self._workers for memory in worker.memories}
            claims = self._turns.pop({model for worker in idle for model in worker.warm}, here, everywhere - here)
            if not claims:
                return
            first = claims[0]
            worker = max(idle, key=lambda worker: (first.memory in worker.memories, first.model in worker.warm))
            worker.reserved.extend(claims)
            worker.remember(first)
            self._give_reserved(worker)

    def _give_reserved(self, worker: _Worker) -> None:
        worker.busy = True
        self._places[worker.reserved.popleft()].set_result(worker)

    def _forget(self, claim: Claim) -> None:
        """Let something wait no more."""
        self._turns.remove(claim)
        for worker in self._workers:
            if claim in worker.reserved:
                worker.reserved.remove(claim)
                self._turns.settle(claim, 0.0)

    def _ready(self, worker: _Worker) -> None:
        """Take a worker that has started into service."""
        worker.lost = False
        self._spawn(self._watch(worker, worker.actor))
        self._free(worker)

    def _free(self, worker: _Worker) -> None:
        """Take a worker back."""
        if worker.lost:
            self._spawn(self._replace(worker))
            return
        worker.busy = False
        if worker.reserved:
            self._give_reserved(worker)
        else:
            self._match()

    async def _watch(self, worker: _Worker, actor: WorkerActor) -> None:
        """Replace a worker that dies idle; one that dies at work is noticed there."""
        await actor.died()
        if worker.actor is not actor or not self._running:
            return
        worker.lost = True
        if not worker.busy:
            worker.busy = True
            await self._replace(worker)

    async def _replace(self, worker: _Worker) -> None:
        """End a worker's process and start another, until one starts."""
        while worker.reserved:  # others may be free before
            claim = worker.reserved.pop()
            self._turns.settle(claim, 0.0)
            self._turns.push(claim, again=True)
        worker.free_at = time.monotonic() + _START_SECONDS
        self._match()
        await worker.actor.kill()
        pause_s = _FIRST_PAUSE_SECONDS
        while self._running:
            await self._ray.runs.wait()
            if not self._running:
                return
            worker.restarts += 1
            worker.forget()
            try:
                worker.actor = await self._actor()
                await worker.actor.ping(self._settings.start_timeout_s)
            except WorkerLost as error:
                _log.error("%s does not start (%s); next try in %.0f s", worker.worker_id, error, pause_s)
                await worker.actor.kill()
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_SECONDS)
            else:
                _log.warning("%s was replaced, process %d", worker.worker_id, worker.actor.pid)
                self._ready(worker)
                return

    async def _actor(self) -> WorkerActor:
        settings = self._settings

        def make(ray: Any) -> WorkerActor:  # noqa: ANN401 - a module without types
            return WorkerActor(
                ray,
                local=self._ray.runtime.private,
                gpus=self._ray.gpus,
                threads=settings.threads_per_worker,
                warm_bytes=settings.warm_bytes,
                max_pixels=settings.max_pixels,
                memory_bytes=settings.memory_bytes,
            )

        return await self._ray.actor(make, settings.start_timeout_s)

    def _forsake(self) -> None:
        """Expect nothing of the workers any more: their Ray is gone, and each will be replaced."""
        for worker in self._workers:
            worker.actor.forsake()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
