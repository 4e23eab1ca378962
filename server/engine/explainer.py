"""Runs one task in the current thread: no transport, no Ray."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch

from ...handlers.decode import decode
from ...handlers.errors import HandlersError, ImageError
from ...handlers.limits import MAX_PIXELS
from ...handlers.out_of_memory import ran_out
from ...handlers.preprocess import Prepared
from ...plugins import (
    Applicability,
    Attribution,
    Cancelled,
    ExplainableNetwork,
    InvalidResult,
    Method,
    Need,
    NotApplicable,
    ObservedModel,
    PluginsError,
    ReducedNetwork,
    Registry,
    checked,
    checked_mask,
    facts_of,
    heatmap,
)
from ...plugins.measures import MEASURES, Measure
from ...plugins.reduced import ERROR
from .films import Film, Films
from .measuring import Explained, Known, Measuring
from .segmented import Segmented
from .task import (
    FailureReason,
    ItemTask,
    ModelRef,
    Precision,
    WorkerDone,
    WorkerEvent,
    WorkerInput,
    WorkerMap,
)
from .task_run import TaskRun, new_error_id, place_of
from .vote import ObservedVote, VoteNetwork, Voter, refusal
from .warm import WarmModels

__all__ = ["Explainer"]


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
    measures : mapping of str to Measure
        What can be measured of maps; by default all that there is.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        warm_bytes: int = 5 * 2**28,
        max_pixels: int = MAX_PIXELS,
        device: torch.device | None = None,
        measures: Mapping[str, Measure[Any]] = MEASURES,
    ) -> None:
        self._registry = registry
        self._measures = measures
        self._warm = WarmModels(warm_bytes, device)
        self._max_pixels = max_pixels
        self._films = Films()
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
        run = TaskRun(task, emit, cancelled)
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
            named = run.doing or self._registry.named(task.method)
            if ran_out(error):
                what = (
                    f"{named} needs more memory than a worker may take: ask for smaller batches, or a smaller network"
                )
                run.fail(FailureReason.OUT_OF_MEMORY, what, error)
            else:
                run.fail(FailureReason.METHOD, f"{named} raised {type(error).__name__}", error)
        else:
            partial = run.model.partial_passes if run.model is not None else 0
            counts = run.forward_passes, run.elapsed, run.setup_s, run.measured_passes, run.measured_s, partial
            emit(WorkerDone(*counts, run.processor_s))
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

    def segment(self, job_id: str, name: str, image: bytes) -> Segmented:
        """Have a segmenter tell where the lungs are on a job's X-ray. Never raises.

        Parameters
        ----------
        job_id : str
            The job.
        name : str
            The segmenter.
        image : bytes
            The encoded X-ray, accepted by the decoder before.
        """
        _reset_torch(self._threads)
        raised: BaseException
        if name not in self._registry.segmenters:
            return Segmented(refusal=f"the segmenter {name!r} is not installed where the workers run")
        origin = self._registry.segmenter_origins[name]
        named = f"the segmenter {name!r} of the package {origin.distribution} {origin.version}"
        try:
            # Pixels of its own: what it does to them, methods must not see.
            film = self._film_of(job_id, image).xray
            return Segmented(checked_mask(self._registry.segmenters[name], replace(film, pixels=film.pixels.copy())))
        except ImageError as error:
            return Segmented(refusal=str(error))
        except InvalidResult as error:
            words, raised = f"{named} breaks its contract: {error}", error
        except BaseException as error:  # noqa: BLE001 - a stranger's code may even raise SystemExit
            words, raised = f"{named} raised {type(error).__name__}", error
        error_id = new_error_id()
        return Segmented(None, f"{words} (error {error_id})", error_id, place_of(raised))

    def _explain(self, run: TaskRun) -> None:
        task = run.task
        run.check()
        method = self._registry.method(task.method)
        params = self._registry.parameters(task.method, task.parameters)
        prepared = self._prepare(task)
        if task.want_input:
            run.emit(WorkerInput(prepared.tensor, prepared.affine))
        run.check()
        image = torch.from_numpy(prepared.tensor.copy())[None]
        vote = self._vote(run, method, prepared, task.precision) if task.voters else None
        observed = ObservedModel if vote is None else ObservedVote
        # What a stranger's method leaves there, those of its own distribution alone may take.
        known_of = (
            self._registry.origins[task.method],
            task.model,
            task.output,
            task.precision,
            *(need in method.needs_of(params) for need in (Need.GRADIENT, Need.MODULES)),
            method.survives_folding,
        )

        def forms() -> ExplainableNetwork | ReducedNetwork:
            return self._warm.get(task.model).at(task.precision)

        def network() -> torch.nn.Module:
            return forms().form_for(method, params) if vote is None else vote

        def observe(network: torch.nn.Module, image: torch.Tensor, known: Known | None) -> ObservedModel:
            return observed(
                network,
                run,
                spec=task.model.input,
                output=task.output,
                image=image,
                statistics=task.model.statistics,
                calibration=task.model.calibration if vote is None else None,
                known=known,
                graph=(lambda: forms().graph_of(network)) if vote is None else None,
            )

        known = self._film_of(task.job_id, task.image).known.setdefault(known_of, {}) if vote is None else None
        run.model = model = observe(network(), image, known)
        measuring: Measuring | None = None
        if task.measures and vote is None:
            explained = Explained(
                method,
                params,
                image,
                network,
                lambda: forms().folded(),
                lambda: forms().lifted(),
                observe,
            )
            measuring = Measuring(
                run, explained, self._measured(task, task.precision), self._warm.clear, self._measures
            )

        @cache
        def exact() -> ObservedModel:
            """Return the network, or the vote, in float32, which knows the output once it was asked for."""
            if vote is not None:
                return observe(self._vote(run, method, prepared, Precision.FLOAT32), image, {})
            return observe(self._warm.get(task.model).folded(), image, self._measured(task, Precision.FLOAT32))

        run.check()
        run.begin()

        # Methods get an image of their own: what one does to it, the next must not see.
        attributions = method.explain(model, image.clone(), task.targets, params, run)
        try:
            for attribution in checked(method, attributions, task.targets, image.shape[1:]):
                if not (attribution.final or task.partial):
                    continue
                target = attribution.target
                plane = heatmap(attribution.values.detach(), signed=method.signed, channels=method.channels)
                facts = facts_of(attribution)
                if attribution.final and task.precision is not Precision.FLOAT32:
                    facts[ERROR] = model.value(target) - exact().value(target)
                made = WorkerMap(
                    target=target,
                    heatmap=_array(plane),
                    values=_array(attribution.values) if _wants_values(task, attribution) else None,
                    affine=prepared.affine,
                    final=attribution.final,
                    fraction=float(attribution.fraction),
                    convergence_delta=attribution.convergence_delta,
                    output_value=model.value(target),
                    elapsed_s=run.elapsed,
                    facts=facts,
                    resampling_error=None if vote is None else vote.resampling_error(target),
                )
                if measuring is not None and made.final:
                    measuring.hold(made, attribution.values)
                else:
                    run.deliver(made)
            if measuring is not None:
                measuring.finish()
        except BaseException as error:
            if measuring is not None:
                measuring.give_up(error)
            raise

    def _measured(self, task: ItemTask, precision: Precision) -> Known:
        """Return what measures found out about a film and a network, whichever method's maps they measured."""
        measured = self._film_of(task.job_id, task.image).measured
        shared = measured.setdefault((task.model, task.output, precision), {})
        # A stranger's method may have altered the network: what is found out then goes no further.
        return shared if self._registry.built_in(task.method) else ChainMap({}, shared)

    def _vote(self, run: TaskRun, method: Method[Any], seen: Prepared, precision: Precision) -> VoteNetwork:
        task = run.task
        if (reason := refusal(method)) is not None:
            raise NotApplicable(reason)
        film = self._film_of(task.job_id, task.image)
        voters = []
        for one in task.voters:
            run.check()
            network = self._warm.get(one.model).at(precision).form_for(method)
            spec = one.model.input
            voters.append(Voter(network, spec, one.thresholds, film.prepared_for(spec), one.model.calibration))
        return VoteNetwork(voters, (film.xray.height, film.xray.width), seen, task.model.input, task.output, run.check)

    def _prepare(self, task: ItemTask) -> Prepared:
        return self._film_of(task.job_id, task.image).prepared_for(task.model.input)

    def _film_of(self, job_id: str, image: bytes) -> Film:
        """Decode and preprocess once for all tasks of a job, also where those of another come in between."""
        return self._films.of(job_id, lambda: decode(image, max_pixels=self._max_pixels))


def _reset_torch(threads: int) -> None:
    """Undo what an earlier method may have set for the whole process."""
    torch.set_default_dtype(torch.float32)
    # Asked first: this setter imports torch's compiler, which takes as long as all the rest of a worker's start.
    if torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


def _wants_values(task: ItemTask, attribution: Attribution) -> bool:
    return task.want_attribution and attribution.final


def _array(tensor: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    # A copy: the method may go on writing into its tensor.
    return np.array(tensor.detach().cpu().numpy(), dtype=np.float32, order="C")
