"""Runs one task in the current thread: no transport, no Ray."""

from __future__ import annotations

import time
import traceback
import uuid
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ...handlers.card import InputSpec
from ...handlers.decode import decode
from ...handlers.errors import HandlersError, ImageError
from ...handlers.image import XRay
from ...handlers.limits import MAX_PIXELS
from ...handlers.out_of_memory import ran_out
from ...handlers.preprocess import Prepared, preprocess
from ...plugins import (
    Applicability,
    Attribution,
    Cancelled,
    InvalidResult,
    Method,
    Need,
    NotApplicable,
    ObservedModel,
    PluginsError,
    Registry,
    checked,
    facts_of,
    heatmap,
)
from .task import (
    FailureReason,
    ItemTask,
    ModelRef,
    WorkerDone,
    WorkerEvent,
    WorkerFailure,
    WorkerInput,
    WorkerMap,
    WorkerProgress,
)
from .vote import ObservedVote, VoteNetwork, Voter, refusal
from .warm import WarmModels

__all__ = ["Explainer"]

_PROGRESS_S = 0.1
"""Progress is worth an event this often, seconds."""


class Explainer:
    """Explains one task at a time. Captum's hooks allow no two in one process.

    Parameters
    ----------
    registry : Registry
        The methods.
    warm_bytes : int
        Weights that stay loaded, bytes.
    max_pixels : int
        Limit of an X-ray's height x width.
    device : torch.device, optional
        Where networks compute; by default on the processor.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        warm_bytes: int = 2**30,
        max_pixels: int = MAX_PIXELS,
        device: torch.device | None = None,
    ) -> None:
        self._registry = registry
        self._warm = WarmModels(warm_bytes, device)
        self._max_pixels = max_pixels
        self._film: _Film | None = None
        self._threads = torch.get_num_threads()

    @property
    def warm(self) -> tuple[tuple[str, int], ...]:
        """Names and versions of the networks that are loaded, most recently used last."""
        return self._warm.names

    def run(self, task: ItemTask, emit: Callable[[WorkerEvent], None], cancelled: Callable[[], bool]) -> None:
        """Work on a task to its end, good or bad. Never raises.

        Parameters
        ----------
        task : ItemTask
            What to do.
        emit : callable
            Takes the events in the order of :data:`~radiolucent.server.engine.task.WorkerEvent`; the last one is
            a `WorkerDone` or a `WorkerFailure`.
        cancelled : callable
            Whether to stop; asked before every forward pass.
        """
        run = _Run(task, emit, cancelled)
        clean = False
        _reset_torch(self._threads)
        try:
            # TorchScript's profiling executor makes the first passes of every new shape slow, and buys nothing here.
            with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
                self._explain(run)
            clean = True
        except Cancelled:
            clean = True
            run.fail(FailureReason.CANCELLED, "the job was stopped")
        except NotApplicable as error:
            clean = True
            run.fail(FailureReason.NOT_APPLICABLE, str(error))
        except InvalidResult as error:
            run.fail(
                FailureReason.INVALID_RESULT, f"{self._registry.named(task.method)} breaks its contract: {error}", error
            )
        except (ImageError, PluginsError) as error:
            run.fail(FailureReason.METHOD, str(error))
        except HandlersError as error:
            # Its words name a path of this machine.
            run.fail(FailureReason.METHOD, "the network's TorchScript copy could not be loaded", error)
        except BaseException as error:  # noqa: BLE001 - a stranger's code may even raise SystemExit
            named = self._registry.named(task.method)
            if ran_out(error):
                what = (
                    f"{named} needs more memory than a worker may take: ask for smaller batches, or a smaller network"
                )
                run.fail(FailureReason.OUT_OF_MEMORY, what, error)
            else:
                run.fail(FailureReason.METHOD, f"{named} raised {type(error).__name__}", error)
        else:
            emit(WorkerDone(run.forward_passes, run.elapsed, run.setup_s))
        finally:
            # A method can change the weights or leave a hook behind, and the next one's maps would be wrong without a
            # word. Ours are tested not to; a stranger's, and one that broke off, get no chance.
            if not (clean and self._registry.built_in(task.method)):
                self._warm.clear()

    def inspect(self, model: ModelRef) -> Applicability:
        """Load a network and find out which needs and which methods it serves.

        Raises
        ------
        RepositoryError
            If its file is missing, altered or not TorchScript.
        """
        _reset_torch(self._threads)
        try:
            with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
                return self._warm.get(model).applicability(self._registry.methods.values())
        finally:
            if not all(map(self._registry.built_in, self._registry.methods)):  # a stranger's method looked at it
                self._warm.clear()

    def _explain(self, run: _Run) -> None:
        task = run.task
        run.check()
        method = self._registry.method(task.method)
        params = self._registry.parameters(task.method, task.parameters)
        prepared = self._prepare(task)
        if task.want_input:
            run.emit(WorkerInput(prepared.tensor, prepared.affine))
        run.check()
        image = torch.from_numpy(prepared.tensor.copy())[None]
        vote = self._vote(run, method, prepared) if task.voters else None
        observed = ObservedModel if vote is None else ObservedVote
        # What a stranger's method leaves there, those of its own distribution alone may take.
        known_of = (
            self._registry.origins[task.method],
            task.model,
            task.output,
            Need.MODULES in method.needs_of(params),
        )
        run.model = model = observed(
            self._warm.get(task.model).form_for(method, params) if vote is None else vote,
            run,
            spec=task.model.input,
            output=task.output,
            image=image,
            statistics=task.model.statistics,
            calibration=task.model.calibration if vote is None else None,
            known=self._film_of(task).known.setdefault(known_of, {}) if vote is None else None,
        )
        run.check()
        run.setup_s = run.elapsed

        # Methods get an image of their own: what one does to it, the next must not see.
        attributions = method.explain(model, image.clone(), task.targets, params, run)
        for attribution in checked(method, attributions, task.targets, image.shape[1:]):
            if attribution.final:
                run.missing.remove(attribution.target)
            elif not task.partial:
                continue
            plane = heatmap(attribution.values.detach(), signed=method.signed, channels=method.channels)
            run.emit(
                WorkerMap(
                    target=attribution.target,
                    heatmap=_array(plane),
                    values=_array(attribution.values) if _wants_values(task, attribution) else None,
                    affine=prepared.affine,
                    final=attribution.final,
                    fraction=float(attribution.fraction),
                    convergence_delta=attribution.convergence_delta,
                    output_value=model.value(attribution.target),
                    elapsed_s=run.elapsed,
                    facts=facts_of(attribution),
                    resampling_error=None if vote is None else vote.resampling_error(attribution.target),
                )
            )

    def _vote(self, run: _Run, method: Method[Any], seen: Prepared) -> VoteNetwork:
        task = run.task
        if (reason := refusal(method)) is not None:
            raise NotApplicable(reason)
        film = self._film_of(task)
        voters = []
        for one in task.voters:
            run.check()
            network = self._warm.get(one.model).form_for(method)
            spec = one.model.input
            voters.append(Voter(network, spec, one.thresholds, film.prepared_for(spec), one.model.calibration))
        return VoteNetwork(voters, (film.xray.height, film.xray.width), seen, task.model.input, task.output, run.check)

    def _prepare(self, task: ItemTask) -> Prepared:
        return self._film_of(task).prepared_for(task.model.input)

    def _film_of(self, task: ItemTask) -> _Film:
        """Decode and preprocess, once for all tasks of a job that follow each other here."""
        if self._film is None or self._film.job_id != task.job_id:
            self._film = None
            self._film = _Film(task.job_id, decode(task.image, max_pixels=self._max_pixels))
        return self._film


def _reset_torch(threads: int) -> None:
    """Undo what an earlier method may have set for the whole process."""
    torch.set_default_dtype(torch.float32)
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


def _wants_values(task: ItemTask, attribution: Attribution) -> bool:
    return task.want_attribution and attribution.final


def _array(tensor: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    # A copy: the method may go on writing into its tensor.
    return np.array(tensor.detach().cpu().numpy(), dtype=np.float32, order="C")


@dataclass
class _Film:
    """The X-ray of the job at hand."""

    job_id: str
    xray: XRay
    prepared: dict[InputSpec, Prepared] = field(default_factory=dict)
    known: dict[Hashable, dict[Hashable, Any]] = field(default_factory=dict)
    """What methods found out about it and share, by network, output and form."""

    def prepared_for(self, spec: InputSpec) -> Prepared:
        if spec not in self.prepared:
            self.prepared[spec] = preprocess(self.xray, spec)
        return self.prepared[spec]


class _Run:
    """One task while it runs; the `Job` that its method sees."""

    def __init__(self, task: ItemTask, emit: Callable[[WorkerEvent], None], cancelled: Callable[[], bool]) -> None:
        self.task = task
        self.emit = emit
        self.missing = list(task.targets)
        self.model: ObservedModel | None = None
        self.setup_s = 0.0
        """Time until its method began: loading the network."""
        self._cancelled = cancelled
        self._started = time.monotonic()
        self._reported = 0.0

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    @property
    def forward_passes(self) -> int:
        return self.model.forward_passes if self.model is not None else 0

    def check(self) -> None:
        if self._cancelled():
            raise Cancelled

    def progress(self, done: int, total: int) -> None:
        if not 0 <= done <= total:
            raise InvalidResult(f"progress must be reported as 0 <= done <= total, not {done!r} of {total!r}")
        now = time.monotonic()
        if done == total or now - self._reported >= _PROGRESS_S:
            self._reported = now
            self.emit(WorkerProgress(int(done), int(total)))

    def fail(self, reason: FailureReason, message: str, error: BaseException | None = None) -> None:
        error_id = uuid.uuid4().hex[:12] if error is not None else None
        self.emit(
            WorkerFailure(
                reason=reason,
                message=f"{message} (error {error_id})" if error_id else message,
                missing=tuple(self.missing),
                error_id=error_id,
                details=_place(error) if error is not None else None,
                forward_passes=self.forward_passes,
                elapsed_s=self.elapsed,
            )
        )


def _place(error: BaseException) -> str:
    """Say what was raised where. An error's words may quote pixels, so only our own are repeated."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames[-12:]]
    words = f": {error}" if isinstance(error, (HandlersError, PluginsError)) else ""
    return "\n".join([f"{type(error).__module__}.{type(error).__qualname__}{words}", *lines])
