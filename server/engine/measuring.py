"""Takes measures of a method's final maps, on the network that is warm for it."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from ...handlers.out_of_memory import ran_out
from ...plugins import (
    Cancelled,
    InvalidResult,
    Method,
    NotApplicable,
    ObservedModel,
    Parameters,
    UnknownMeasure,
    heatmap,
    validate_parameters,
)
from ...plugins.measures import MEASURES, Measure, Reruns, Subject
from .passes import MeasurePasses, measure_passes, method_passes
from .task import Measurement, MeasureTask, WorkerMap
from .task_run import TaskRun, check_progress, new_error_id, place_of

__all__ = ["Explained", "Known", "Measuring"]

_STOPPED = "the job was stopped before it was taken"
_BROKE_OFF = "the item failed before it was taken"

Known = MutableMapping[Hashable, Any]
"""What is remembered of an image and a network."""


@dataclass(frozen=True, eq=False)
class Explained:
    """What a task's method explained, and with what.

    Parameters
    ----------
    method, params
        The method, and its parameters.
    image : torch.Tensor
        Float32 [1, C, H, W] in the network's input space.
    network : callable
        Returns the network in the form in which the method saw it.
    forward : callable
        Returns it in the form for forward passes, which is one for all methods: what measures of several maps share
        is the same whichever came first.
    lifted : callable
        Returns the lifted network, or raises `NotApplicable`.
    observe : callable
        Makes a network observed, with an image whose output it is to remember, and what is known of that.
    """

    method: Method[Any]
    params: Parameters
    image: torch.Tensor
    network: Callable[[], torch.nn.Module]
    forward: Callable[[], torch.nn.Module]
    lifted: Callable[[], torch.fx.GraphModule]
    observe: Callable[[torch.nn.Module, torch.Tensor, Known], ObservedModel]


@dataclass(frozen=True)
class _Call:
    task: MeasureTask
    measure: Measure[Any]
    params: Parameters
    passes: MeasurePasses


class Measuring:
    """The measures of one task. Holds its final maps back until they are measured.

    A method may have hooks on the network until its generator ends: nothing is measured before.

    Parameters
    ----------
    run : TaskRun
        The task.
    explained : Explained
        What its method explained.
    known : mutable mapping
        What measures of several maps of one film and network share.
    forget : callable
        Has a network that a broken measure may have altered loaded anew.
    measures : mapping of str to Measure
        Those that there are.
    """

    def __init__(
        self,
        run: TaskRun,
        explained: Explained,
        known: Known,
        forget: Callable[[], None],
        measures: Mapping[str, Measure[Any]] = MEASURES,
    ) -> None:
        self._run = run
        self._explained = explained
        self._known = known
        self._forget = forget
        shape, targets = tuple(explained.image.shape[1:]), len(run.task.targets)
        self._cost = partial(method_passes, explained.method, explained.params, shape)
        self._run_passes = self._cost(targets)
        self._calls = [self._call(task, shape, measures) for task in run.task.measures]
        self._reruns = Reruns(
            explained.method,
            explained.params,
            run.task.targets,
            lambda image, network: explained.observe(explained.network() if network is None else network, image, {}),
            explained.lifted,
            run,
        )
        self._held: deque[tuple[WorkerMap, torch.Tensor]] = deque()
        self._found: list[Measurement] = []
        self._done = 0
        further = (targets - 1) * sum(call.passes.each for call in self._calls)
        run.expect(self._run_passes, sum(call.passes.first for call in self._calls) + further)

    def _call(self, task: MeasureTask, shape: tuple[int, ...], measures: Mapping[str, Measure[Any]]) -> _Call:
        if task.name not in measures:  # on a machine of the cluster with another release
            raise UnknownMeasure(task.name, measures)
        found = measures[task.name]
        params = validate_parameters(found, task.parameters)
        return _Call(task, found, params, measure_passes(found, params, shape, len(self._run.task.targets), self._cost))

    def hold(self, made: WorkerMap, values: torch.Tensor) -> None:
        """Take a final map, with its attribution [C, H, W], until it is measured."""
        self._held.append((made, values.detach().clone()))

    def finish(self) -> None:
        """Measure and deliver what is held.

        Raises
        ------
        Cancelled, MemoryError, RuntimeError
            Where the task was cancelled, or there was no memory.
        """
        first = True
        with self._reruns:
            while self._held:
                made, values = self._held[0]
                for call in self._calls:
                    announced = call.passes.first if first else call.passes.each
                    self._found.append(self._take(call, made, values, announced))
                first = False
                self._reruns.measured(made.target)
                self._deliver()
        self._run.complete()

    def give_up(self, why: BaseException) -> None:
        """Deliver what is held as it is, since the task goes no further: a map that is done is not lost."""
        reason = _STOPPED if isinstance(why, Cancelled) else _BROKE_OFF
        while self._held:
            missing = self._calls[len(self._found) :]
            self._found += [Measurement(call.task.name, call.task.parameters, refusal=reason) for call in missing]
            self._deliver()

    def _deliver(self) -> None:
        made, _ = self._held.popleft()
        measurements, self._found = tuple(self._found), []
        self._run.deliver(replace(made, measurements=measurements))

    def _take(self, call: _Call, made: WorkerMap, values: torch.Tensor, announced: int) -> Measurement:
        run, begin, processor = self._run, time.monotonic(), time.process_time()
        said = Measurement(call.task.name, call.task.parameters)
        run.doing = f"the measure {call.task.name!r}"
        job = _Part(run, self._done, announced)
        try:
            numbers, passes = self._measure(call, made.target, values, job)
            said = replace(said, values=numbers, passes=passes)
        except Cancelled:
            raise
        except NotApplicable as error:
            said = replace(said, refusal=str(error) or "it cannot be taken of this map")
        except BaseException as error:
            if ran_out(error):
                raise
            # Whatever broke off may have left a hook behind, or weights that it was to put back.
            self._forget()
            self._reruns.forget()
            words = str(error) if isinstance(error, InvalidResult) else f"{run.doing} raised {type(error).__name__}"
            error_id = new_error_id()
            refusal = f"{words} (error {error_id})"
            said = replace(said, refusal=refusal, error_id=error_id, details=place_of(error))
        finally:
            run.measured_s += time.monotonic() - begin
            run.measured_processor_s += time.process_time() - processor
        run.doing = ""
        self._done += announced
        run.measured(self._done)
        processor_s = time.process_time() - processor
        return replace(said, elapsed_s=time.monotonic() - begin, processor_s=processor_s)

    def _measure(self, call: _Call, target: int, values: torch.Tensor, job: _Part) -> tuple[dict[str, float], int]:
        """Return a measure's numbers, and what of its announced passes it needed."""
        explained, reruns, announced = self._explained, self._reruns, call.passes
        forward_before, runs_before = reruns.forward_passes, len(reruns.runs)
        self._run.check()
        model = explained.observe(explained.forward(), explained.image, self._known)
        subject = Subject(
            model=model,
            # What one measure does to its image and map, the next must not see.
            image=explained.image.clone(),
            target=target,
            attribution=values.clone(),
            heatmap=self._plane(values),
            signed=explained.method.signed,
            again=reruns.of(target),
            passes=self._run_passes,
            lifted=explained.lifted,
        )
        try:
            numbers = _checked(call.measure, call.measure.measure(subject, call.params, job))
        finally:
            self._run.measured_passes += model.forward_passes + reruns.forward_passes - forward_before
        shared = announced.shared.passes if announced.shared is not None else 0
        known = model.forward_passes < shared
        rerun = sum(map(self._cost, reruns.runs[runs_before:]))
        return numbers, announced.each - announced.own + rerun + (0 if known else shared)

    def _plane(self, values: torch.Tensor) -> torch.Tensor:
        method = self._explained.method
        return heatmap(values, signed=method.signed, channels=method.channels).clone()


class _Part:
    """The `Job` of one measure: a part of the task's work."""

    wants_partial = False

    def __init__(self, run: TaskRun, before: int, passes: int) -> None:
        self._run = run
        self._before = before
        self._passes = passes

    def check(self) -> None:
        self._run.check()

    def progress(self, done: int, total: int) -> None:
        check_progress(done, total)
        self._run.measured(self._before + (int(self._passes * done / total) if total else self._passes))


def _checked(measure: Measure[Any], given: object) -> dict[str, float]:
    """Return a measure's numbers, if they are those that it declares."""
    declared = [value.name for value in measure.values]
    if not isinstance(given, Mapping) or set(given) != set(declared):
        raise InvalidResult(f"the measure {measure.name!r} gives other numbers than it declares: {declared}")
    values = {}
    for name in declared:
        try:
            values[name] = float(given[name])
        except (TypeError, ValueError):
            raise InvalidResult(f"the measure {measure.name!r} gives no number as {name}") from None
        if not math.isfinite(values[name]):
            raise InvalidResult(f"the measure {measure.name!r} gives {name} as {values[name]}, which is not finite")
    return values
