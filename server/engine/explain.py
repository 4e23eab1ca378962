"""The explanation engine: takes requests, runs them as jobs, keeps their results. Free of gRPC."""

from __future__ import annotations

import asyncio
import logging
import math
import time
import uuid
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ...handlers.card import ModelCard
from ...handlers.repository import ENSEMBLE
from ...plugins import Registry
from ...plugins.measures import MEASURES, Measure
from ..caller import Caller
from ..catalog import ModelCatalog
from ..classifier import Classifier
from ..errors import InternalError
from ..instance import check_instance
from .backlog import Backlog, BacklogLimits, Demand
from .check_measures import check_called, check_lungs, check_measurable
from .costs import CostModel
from .events import JobState, Summary
from .job import Job, StopCause
from .order import ExplainOrder, TargetChoice
from .plan import Planner, grid_of
from .running import JobRun, Workers
from .store import JobStore
from .validate import check_applicable, check_models, check_request_id, check_votable

__all__ = ["EngineLimits", "ExplanationEngine"]

_LOG = logging.getLogger(__name__)
_FLOAT_BYTES = 4
_LOOK_SECONDS = 10.0
_MOST_LABELS = 10**6


@dataclass(frozen=True)
class EngineLimits:
    """How much the engine takes on, and for how long.

    Attributes
    ----------
    backlog
        How much waits or runs at a time.
    max_job_seconds, classify_seconds
        Longest time of a job, and of a classification.
    retention_seconds, retention_bytes
        How long, and how much of, results are kept.
    heartbeat_seconds
        A silent stream of events carries a heartbeat this often.
    """

    backlog: BacklogLimits = field(default_factory=BacklogLimits)
    max_job_seconds: float = 24 * 3600.0
    classify_seconds: float = 60.0
    retention_seconds: float = 600.0
    retention_bytes: int = 256 * 2**20
    heartbeat_seconds: float = 5.0


class ExplanationEngine:
    """Runs jobs. Everything here happens in one event loop; work that takes a processor does not happen here.

    Parameters
    ----------
    classifier
        Looks at images and asks Triton.
    catalog
        The networks.
    registry
        The methods.
    workers
        Who explains.
    limits
        How much at a time.
    worker_count, threads_per_worker
        How many workers there are, and how fast they are before anything was measured.
    measures
        What can be measured of maps.
    """

    def __init__(
        self,
        classifier: Classifier,
        catalog: ModelCatalog,
        registry: Registry,
        workers: Workers,
        limits: EngineLimits | None = None,
        *,
        worker_count: int = 1,
        threads_per_worker: int = 1,
        measures: Mapping[str, Measure[Any]] = MEASURES,
    ) -> None:
        self._classifier = classifier
        self._catalog = catalog
        self._registry = registry
        self._workers = workers
        self._measures = measures
        self._limits = limits or EngineLimits()
        self._planner = Planner(registry, catalog.repository, CostModel(threads_per_worker))
        self._store = JobStore(
            retention_seconds=self._limits.retention_seconds, retention_bytes=self._limits.retention_bytes
        )
        self._backlog = Backlog(self._limits.backlog, worker_count)
        self._runs: set[asyncio.Task[None]] = set()

    @property
    def store(self) -> JobStore:
        """The jobs."""
        return self._store

    async def submit(self, order: ExplainOrder, caller: Caller, seconds: float = math.inf) -> Job:
        """Start a job, or join the one that the same request started before.

        The image is decoded before anything else happens: a bad one costs Triton nothing.

        Parameters
        ----------
        order
            What is asked for.
        caller
            Who asks.
        seconds
            Time the caller has. A job that is kept when its client is lost does not end with the client's time.

        Returns
        -------
        Job
            Running, or ended already.

        Raises
        ------
        InvalidRequest, ImageError
            If the request or its image is wrong.
        DuplicateRequest
            If its request_id belongs to another request.
        QueueFull, Stopping
            If no more can be taken on.
        NoModelSet
            If no model set is served.
        """
        begin = time.monotonic()
        check_request_id(order.request_id)
        check_instance(order.instance)
        calls, measures = check_called(order, self._registry, self._measures)
        place = ExitStack()
        if not self._store.knows(caller, order.request_id):  # who comes back to his job needs no place
            works = not order.dry_run
            place.enter_context(self._backlog.reading(caller, order.priority, order.nbytes, works=works))
        with place:
            fingerprint = await self._classifier.in_thread(order.fingerprint)
            if order.request_id and (job := self._store.join(caller, order.request_id, fingerprint)):
                return _joined(job, order)
            xray = await self._classifier.decode(order.image)
            look = partial(check_lungs, order.lungs, xray.height, xray.width)
            lungs = await self._classifier.in_thread(look)
        # From here on nothing waits, so that of two equal requests the second finds the job of the first.
        if order.request_id and (job := self._store.join(caller, order.request_id, fingerprint)):
            return _joined(job, order)
        cards = self._catalog.served()
        models = check_models(order, cards, self._catalog.voting())
        if set(models) == {ENSEMBLE}:
            check_votable(calls)
        check_measurable(measures, models)
        check_applicable(calls, (cards[name] if name in cards else self._grid(cards) for name in models))
        self._store.admit()
        explained = [
            [cards[one] for one in (self._catalog.voting() if name == ENSEMBLE else (name,))] for name in models
        ]
        longest = self._limits.max_job_seconds
        job = Job(
            str(uuid.uuid4()),
            order.request_id or str(uuid.uuid4()),
            caller,
            fingerprint,
            instance=order.instance,
            keep=order.keep,
            priority=order.priority,
            heartbeat_seconds=self._limits.heartbeat_seconds,
        )
        run = JobRun(
            job=job,
            order=order,
            calls=calls,
            models=models,
            xray=xray,
            classifier=self._classifier,
            catalog=self._catalog,
            planner=self._planner,
            workers=self._workers,
            kept_bytes=order.nbytes
            + (0 if order.lungs is None else xray.height * xray.width)
            + (0 if order.dry_run else _result_bytes(order, len(calls), explained)),
            decoded_bytes=xray.pixels.nbytes,
            estimated_s=0.0
            if order.dry_run
            else self._planner.seconds(calls, explained, _likely_labels(order), measures, order.precision),
            classify_seconds=self._limits.classify_seconds,
            # What reading the image took is part of the time that the caller has.
            seconds=longest if order.keep else min(seconds - (time.monotonic() - begin), longest),
            longest_seconds=longest,
            measures=measures,
            lungs=lungs,
        )
        demand = Demand(caller, order.priority, run.nbytes, run.remaining_s, works=not order.dry_run)
        self._backlog.admit(job.job_id, demand)
        self._store.add(job)
        self._start(self._see_through(job, run))
        return job

    def find(self, caller: Caller, job_id: str) -> Job:
        """Return a caller's job.

        Raises
        ------
        JobNotFound
            If this caller has no such job (any more).
        """
        return self._store.find(caller, job_id)

    async def cancel(self, caller: Caller, job_id: str) -> Job:
        """Stop a caller's job and wait for its summary, which takes seconds at most; an ended job is left alone.

        Raises
        ------
        JobNotFound
            If this caller has no such job (any more).
        """
        job = self._store.find(caller, job_id)
        job.stop(StopCause.CALLER)
        await job.ended()
        return job

    async def drain(self) -> None:
        """Take no job any more, and wait until those that run have ended."""
        self._store.close()
        while self._runs:
            await asyncio.wait(self._runs)

    async def close(self) -> None:
        """Take no job any more, and stop those that run; returns when each has its summary."""
        self._store.close()
        for job in self._store.running:
            job.stop(StopCause.SHUTDOWN)
        if self._runs:
            await asyncio.wait(self._runs)

    def _grid(self, cards: Mapping[str, ModelCard]) -> ModelCard:
        """Return the card on whose grid the vote is explained."""
        return grid_of([cards[name] for name in self._catalog.voting()])

    def _start(self, course: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(course)
        self._runs.add(task)  # the loop itself holds tasks weakly only
        task.add_done_callback(self._runs.discard)

    def _expire_later(self, job: Job, seconds: float) -> None:
        """Let results go when their time is over, also where nobody asks for anything any more."""

        def expire() -> None:
            self._store.sweep()
            if job in self._store:  # somebody still reads it
                self._expire_later(job, _LOOK_SECONDS)

        asyncio.get_running_loop().call_later(seconds, expire)

    async def _see_through(self, job: Job, run: JobRun) -> None:
        try:
            with self._catalog.lease():  # what classifies is explained to the end, also if it is removed meanwhile
                summary, error = await run()
        except Exception:  # noqa: BLE001 - whatever happens, who watches must not wait for ever
            error_id = uuid.uuid4().hex
            _LOG.exception("job %s broke down, error id %s", job.job_id, error_id)
            summary, error = Summary(JobState.FAILED, (), 0.0, 0.0), InternalError(error_id)
        finally:
            self._backlog.remove(job.job_id)
        job.end(summary, error, self._limits.retention_seconds)
        self._store.ended(job)
        self._expire_later(job, self._limits.retention_seconds + 0.1)
        _LOG.info("job %s ended: %s", job.job_id, job.state.value)


def _joined(job: Job, order: ExplainOrder) -> Job:
    job.keep = job.keep or order.keep
    return job


def _likely_labels(order: ExplainOrder) -> int:
    """Guess how many labels will be explained, before it is known what is predicted."""
    if order.choice is TargetChoice.NAMED:
        return len(order.labels)
    return 1 if order.choice is TargetChoice.PREDICTED else _MOST_LABELS


def _result_bytes(order: ExplainOrder, methods: int, networks: Sequence[Sequence[ModelCard]]) -> int:
    """Return what the maps of a request can take at most, with all labels explained, bytes."""
    named = len(order.labels) if order.choice is TargetChoice.NAMED else _MOST_LABELS
    total = 0
    for cards in networks:
        card = grid_of(cards)
        plane = card.input.size**2 * _FLOAT_BYTES
        # The aggregates of a network's maps take no more than these.
        planes = 1 + len(order.aggregations) + (card.input.channels if order.attributions else 0)
        total += min(named, len(card.labels)) * methods * planes * plane + order.inputs * card.input.channels * plane
    return total
