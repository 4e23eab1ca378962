"""The course of one job: classify, plan, let workers work, sum up."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from ...handlers.errors import HandlersError
from ...handlers.image import XRay
from ...handlers.lungs import LungMask
from ...handlers.preprocess import preprocess
from ...handlers.repository import ENSEMBLE
from ..catalog import ModelCatalog
from ..classifier import Classification, Classifier
from ..errors import InternalError, ServerError, Stopping
from ..triton.errors import TritonError, TritonUnavailable
from .check_measures import CheckedMeasure
from .events import (
    Classified,
    Failure,
    Heatmap,
    Item,
    ItemEstimate,
    JobState,
    ModelInput,
    OutsideLungs,
    Summary,
    Target,
)
from .gathering import Aggregates, Gathering, plan_aggregates
from .job import Job, StopCause
from .lungs import Drawing, outside_lungs
from .order import ExplainOrder, Priority
from .passes import paced
from .plan import Explained, PlannedItem, Planner, grid_of
from .segmented import Segmented
from .tally import Tally
from .targets import ensemble_targets, ensemble_verdicts, network_targets, network_verdicts
from .task import FloatArray, ItemTask, Precision, WorkerDone, WorkerEvent, WorkerMap
from .ticket import Turn
from .validate import CheckedCall

__all__ = ["JobRun", "Workers"]

_LOG = logging.getLogger(__name__)
_SECONDS_TO_STOP = 2.0
_SECONDS_TO_SEGMENT = 2.0
"""About what a segmenter takes."""


class Workers(Protocol):
    """The part of `WorkerPool` that works."""

    def run(self, task: ItemTask, turn: Turn) -> AsyncIterator[WorkerEvent]:
        """Run a task when it has its turn; the last event says how it ended. Closing the iterator cancels the task."""

    def expected_wait_s(self, caller: Hashable, priority: Priority) -> float:
        """Estimate when a worker will begin with what a caller asks for now, seconds."""

    async def segment(self, segmenter: str, image: bytes, turn: Turn) -> Segmented:
        """Have a segmenter tell where the lungs are. Cancelling who waits for it frees the worker."""

    async def cancel(self, job_id: str) -> None:
        """Cancel the tasks of a job; their iterators end with a failure."""


@dataclass(eq=False)
class JobRun:
    """One job and all that it needs to run.

    Attributes
    ----------
    job
        Where its events go.
    order, calls, models, measures
        What was asked for, checked: methods with parameters, networks by name, and measures.
    lungs
        The mask that the caller gave.
    xray
        The decoded image; let go after the classification, since it may be large and a job long.
    classifier, catalog, planner, workers
        Who does the work.
    kept_bytes, decoded_bytes
        What its file and all of its maps take, and what its decoded X-ray takes until it is classified.
    estimated_s
        What it will cost a worker, estimated before it is planned, seconds.
    classify_seconds
        Longest time for a classification.
    seconds
        Longest time for everything, while the caller watches.
    longest_seconds
        Longest time for a job that is kept when nobody watches.
    """

    job: Job
    order: ExplainOrder
    calls: Sequence[CheckedCall]
    models: Sequence[str]
    xray: XRay | None
    classifier: Classifier
    catalog: ModelCatalog
    planner: Planner
    workers: Workers
    kept_bytes: int
    decoded_bytes: int
    estimated_s: float
    classify_seconds: float
    seconds: float
    longest_seconds: float
    measures: Sequence[CheckedMeasure] = ()
    lungs: LungMask | None = None
    _course: _Course | None = None

    def remaining_s(self) -> float:
        """Return what is still to be done, in estimated seconds of a worker."""
        planned = self._course is not None and self._course.planned
        return self._course.tally.remaining_s if self._course is not None and planned else self.estimated_s

    def nbytes(self) -> int:
        """Return what it holds in memory, and will hold when all its maps are there, bytes."""
        decoded = self._course is None or not self._course.planned
        return self.kept_bytes + (self.decoded_bytes if decoded else 0)

    async def __call__(self) -> tuple[Summary, Exception | None]:
        """Run the job to its end; never raises.

        Returns
        -------
        Summary
            Still to be written to the log.
        Exception or None
            Why it failed, or why its streams are cut off.
        """
        course = self._course = _Course(self)
        work = asyncio.ensure_future(course.run())
        stopped = asyncio.ensure_future(self.job.stopped())
        try:
            await asyncio.wait({work, stopped}, timeout=self.seconds, return_when=asyncio.FIRST_COMPLETED)
            # Somebody may have joined meanwhile and asked to keep it.
            if self.job.keep and (left := self.longest_seconds - self.seconds) > 0:
                await asyncio.wait({work, stopped}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                self.job.stop(StopCause.DEADLINE)  # no effect if another cause was first
                await self._halt(work, course)
        finally:
            stopped.cancel()
            work.cancel()
            await asyncio.wait({work})
        error = _error(work, self.job)
        missing = [*course.tally.close(self.job.stop_cause), *course.aggregates.close(self.job.stop_cause)]
        for event in missing:
            self.job.log.append(event)
        cut = course.tally.stopped_short or missing or work.cancelled() or course.undrawn
        cut_short = self.job.stop_cause is not None and bool(cut)
        state = JobState.FAILED if error else JobState.CANCELLED if cut_short else JobState.DONE
        if state is JobState.CANCELLED and self.job.stop_cause is StopCause.SHUTDOWN:
            error = Stopping()
        elapsed = time.monotonic() - self.job.started_at
        items = course.tally.summaries() + course.aggregates.summaries()
        return Summary(state, items, elapsed, course.classification_s), error

    async def _halt(self, work: asyncio.Future[None], course: _Course) -> None:
        """Let the workers say how far they were; who does not answer in time is left to the pool."""
        if course.drawing is not None:  # what waits for the lungs goes without
            course.undrawn = course.drawing.settle(None, "the job was stopped before they were drawn")
        if course.started:
            cancelling = asyncio.ensure_future(self.workers.cancel(self.job.job_id))
            await asyncio.wait({work}, timeout=_SECONDS_TO_STOP)
            cancelling.cancel()


class _Course:
    """How far a job is; what it has to show stays, wherever it is stopped."""

    def __init__(self, run: JobRun) -> None:
        self._run = run
        self.tally = Tally(())
        self.aggregates = Aggregates(())
        self.classification_s = 0.0
        self.planned = False
        self.started = False
        self.drawing: Drawing | None = None
        self.undrawn = False

    async def run(self) -> None:
        run = self._run
        begin = time.monotonic()
        image, run.xray = run.xray, None
        assert image is not None  # noqa: S101 - a run runs once
        classification = await run.classifier.classify(run.order.image, image.height, image.width, run.classify_seconds)
        explained = [await self._explained(name, classification, image) for name in run.models]
        self.classification_s = time.monotonic() - begin
        planned = run.planner.plan(run.job.job_id, run.order, run.calls, explained, run.measures)
        aggregates = plan_aggregates(run.order, run.calls, explained, classification)
        targets: dict[str, Target] = {}
        for one in explained:
            for target in one.targets:
                targets.setdefault(target.label, target)
        items = (*(one.item for one in planned), *(one.item for one in aggregates))
        estimates = (*(one.estimate for one in planned), *(ItemEstimate() for _ in aggregates))
        wait_s = run.workers.expected_wait_s(run.job.caller, run.order.priority)
        run.job.log.append(Classified(classification, tuple(targets.values()), items, estimates, wait_s))
        self.planned = True
        if run.order.dry_run:
            return
        self.tally = Tally(planned)
        self.aggregates = Aggregates(aggregates)
        for refusal in self.aggregates.refusals():
            run.job.log.append(refusal)
        if aggregates and run.order.inputs:
            seen = await run.classifier.in_thread(partial(preprocess, image, aggregates[0].spec))
            version = aggregates[0].item.version
            for event in self.tally.once(ModelInput(ENSEMBLE, version, seen.tensor, seen.affine)):
                run.job.log.append(event)
        del image
        self.started = True
        lungs = self._ask_for_lungs()
        working = [asyncio.ensure_future(self._work(one)) for one in planned]
        try:
            await asyncio.gather(*working)
        finally:  # where one broke down, the others must not go on for nobody
            others = working if lungs is None else [*working, lungs]
            for item in others:
                item.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    def _ask_for_lungs(self) -> asyncio.Future[None] | None:
        """Know the lungs, or have a segmenter draw them, before the first item has its turn."""
        order, job = self._run.order, self._run.job
        if order.lungs is None:
            return None
        self.drawing = Drawing(order.lungs.segmenter)
        if self._run.lungs is not None:
            self.drawing.settle(self._run.lungs)
            return None
        turn = Turn(job.job_id, job.caller, order.priority, _SECONDS_TO_SEGMENT)
        return asyncio.ensure_future(self._draw(self.drawing, order.lungs.segmenter, turn))

    async def _draw(self, drawing: Drawing, segmenter: str, turn: Turn) -> None:
        try:
            found = await self._run.workers.segment(segmenter, self._run.order.image, turn)
            drawing.settle(None if found.values is None else LungMask(found.values), found.refusal)
        finally:
            drawing.settle(None, "the segmenter was not heard of")

    async def _outside(self, heatmap: FloatArray, item: Item) -> OutsideLungs | None:
        """Say how much of a final map lies outside the lungs; None where nobody asks."""
        if self.drawing is None:
            return None
        drawn = await self.drawing.wait()
        return await self._run.classifier.in_thread(partial(outside_lungs, heatmap, item, drawn))

    async def _explained(self, name: str, classification: Classification, xray: XRay) -> Explained:
        """Take the version that classified, which may be newer than the one the request was checked against."""
        run = self._run
        targets = ensemble_targets(run.order, classification)
        verdicts = ensemble_verdicts(classification)
        if name == ENSEMBLE:
            voters = tuple(run.catalog.card(one.model, one.version) for one in classification.answers)
            return Explained(name, classification.set_version, grid_of(voters), targets, verdicts, voters)
        for answer in classification.answers:
            if answer.model == name:
                card = run.catalog.card(name, answer.version)
                return Explained(name, answer.version, card, targets, verdicts)
        if name not in run.catalog.status.networks:
            raise TritonUnavailable("another model set, without one of the networks asked for, has just replaced it")
        card, probabilities = await run.classifier.ask_network(name, xray, run.classify_seconds)
        targets = network_targets(run.order, card, probabilities)
        return Explained(name, card.version, card, targets, network_verdicts(card, probabilities))

    async def _work(self, planned: PlannedItem) -> None:
        job, item = self._run.job, planned.item
        turn = Turn(job.job_id, job.caller, self._run.order.priority, planned.estimate.seconds, planned.shares)
        events = self._run.workers.run(planned.task, turn)
        async with AsyncExitStack() as stack:
            if hasattr(events, "aclose"):
                stack.push_async_callback(events.aclose)
            async for event in events:
                self._learn(planned, event)
                outside = None
                if isinstance(event, WorkerMap) and event.final:
                    outside = await self._outside(event.heatmap, item)
                for seen in self.tally.take(planned.task.item_id, event, job.stop_cause):
                    told = replace(seen, outside_lungs=outside) if isinstance(seen, Heatmap) else seen
                    job.log.append(told)
                    await self._aggregate(self.aggregates.ready(told))

    def _learn(self, planned: PlannedItem, event: WorkerEvent) -> None:
        """Take in what an item, or the measures of one of its maps, cost."""
        item, costs = planned.item, self._run.planner.costs
        version, precision = (item.model, item.version), planned.task.precision
        work = paced(item.method, precision)
        if isinstance(event, WorkerDone) and event.forward_passes > event.measured_passes and planned.passes:
            seconds = event.elapsed_s - event.setup_s - event.measured_s
            # What is fast in bfloat16 says little of float32.
            whole = not event.partial_passes and precision is Precision.FLOAT32
            costs.learn(work, version, planned.passes, seconds, whole=whole)
        elif isinstance(event, WorkerMap):
            for one in event.measurements:
                if not one.refusal:
                    costs.learn_measure(one.measure, work, version, one.passes, one.elapsed_s)

    async def _aggregate(self, gatherings: Sequence[Gathering]) -> None:
        job = self._run.job
        if not gatherings or job.stop_cause is not None:  # then what is missing is missing because of that
            return
        made = [(one, await self._gathered(one)) for one in gatherings]
        for event in self.aggregates.settle(made):
            job.log.append(event)

    async def _gathered(self, gathering: Gathering) -> Heatmap | Failure:
        made = await self._run.classifier.in_thread(gathering.make)
        if isinstance(made, Failure):
            return made
        return replace(made, outside_lungs=await self._outside(made.heatmap, made.item))


def _error(work: asyncio.Future[None], job: Job) -> Exception | None:
    if work.cancelled() or (error := work.exception()) is None:
        return None
    if isinstance(error, (TritonError, ServerError, HandlersError)):
        return error
    error_id = uuid.uuid4().hex
    _LOG.error("job %s failed inside, error id %s", job.job_id, error_id, exc_info=error)
    return InternalError(error_id)
