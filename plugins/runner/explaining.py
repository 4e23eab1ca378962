"""One image, one network, one method."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch

from ...handlers.card import InputSpec, ModelCard
from ...handlers.geometry import Affine
from ..contract import Attribution, Method, Output, Parameters, Precision
from ..errors import InvalidResult, NotApplicable
from ..measures import Measure, Reruns
from ..observed import ObservedModel
from ..reduced import ERROR
from ..registry import load_registry
from ..results import checked, facts_of
from ..validation import check_method, validate_parameters
from .images import ImageSource, read_image
from .measuring import MeasureSource, Measuring, chosen_measures
from .networks import NetworkSource, explainable, lifted, open_network, reduced

__all__ = ["Explanation", "TargetMap", "explain"]


@dataclass(frozen=True, eq=False)
class TargetMap:
    """The final map of one target.

    Parameters
    ----------
    target : int
        Index of the output.
    label : str or None
        Its name, where a model card says it.
    values : torch.Tensor
        The attribution, float32 [C, H, W], in the network's input space.
    heatmap : torch.Tensor
        Its reduction to one plane, float32 [H, W].
    output_value : float
        The explained output of the image: a logit, or a probability in [0, 1].
    convergence_delta : float or None
        See :class:`~radiolucent.plugins.Attribution`.
    facts : mapping of str to float
        What else the method found out about the map; and, in bfloat16, by how much that moved the explained output
        (`bfloat16_error`).
    measured : mapping of str to mapping
        The numbers of every measure that was asked for, by its name and theirs.
    refused : mapping of str to str
        The measures that could not be taken of this map, each with the reason.
    """

    target: int
    label: str | None
    values: torch.Tensor
    heatmap: torch.Tensor
    output_value: float
    convergence_delta: float | None
    facts: Mapping[str, float]
    measured: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a method said of an image.

    Parameters
    ----------
    maps : tuple of TargetMap
        One per target, in the order asked for.
    parameters : Parameters
        The method's parameters, defaults included.
    image : torch.Tensor
        What the network saw, float32 [1, C, H, W].
    affine : Affine or None
        From the grid of the maps to the image's; None where a tensor was given.
    forward_passes : int
        Samples that went through the network.
    cost : int
        What the method had announced, in forward passes or their equivalent.
    seconds : float
        Time that the method took.
    precision : Precision
        In which the network's passes were computed.
    """

    maps: tuple[TargetMap, ...]
    parameters: Parameters
    image: torch.Tensor
    affine: Affine | None
    forward_passes: int
    cost: int
    seconds: float
    precision: Precision = Precision.FLOAT32

    def __getitem__(self, target: int | str) -> TargetMap:
        """Return the map of a target, by its index or its label.

        Raises
        ------
        KeyError
            If it was not explained.
        """
        for one in self.maps:
            if target == (one.label if isinstance(target, str) else one.target):
                return one
        raise KeyError(target)


def explain(
    image: ImageSource,
    network: NetworkSource,
    method: str | Method[Any],
    *,
    targets: int | str | Sequence[int | str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    spec: InputSpec | None = None,
    output: Output = Output.LOGIT,
    precision: Precision = Precision.FLOAT32,
    measures: MeasureSource = (),
    progress: Callable[[int, int], None] | None = None,
    on_partial: Callable[[Attribution], None] | None = None,
) -> Explanation:
    """Explain an image in this process, as the server would.

    Parameters
    ----------
    image : path, bytes, XRay, ndarray or torch.Tensor
        A PNG, JPEG or DICOM file, or what :func:`~radiolucent.plugins.runner.images.read_image` takes besides.
    network : path or torch.nn.Module
        A TorchScript file, a version folder of a model repository, or a module; it is not changed.
    method : str or Method
        Name of an installed method, or an instance of one's own.
    targets : int, str or sequence of them, optional
        Outputs by index, or by label where the network has a card. By default the one of the highest value.
    parameters : mapping, optional
        Parameters by name, as JSON values; what is absent takes its default.
    spec : InputSpec, optional
        What the network expects; by default what its card says. Without a card it may be left out for a tensor alone,
        which is then taken to be brightness itself (mean 0, standard deviation 1).
    output : Output
        Whether logits or probabilities are explained.
    precision : Precision
        In which the network's passes are computed, those of the measures too. Where it is bfloat16, one more pass in
        float32 tells what that did to the output.
    measures : str, Measure, sequence of them, or mapping, optional
        Measures to take of every map, by name or one's own; a mapping gives their parameters too, by name, as JSON
        values. Maps of one call share what they can.
    progress : callable, optional
        Gets the work done and the whole, in forward passes or their equivalent; of each measure anew.
    on_partial : callable, optional
        Gets every partial map; raise from it, or interrupt, to stop the method.

    Returns
    -------
    Explanation
        Maps and heatmaps.

    Raises
    ------
    UnknownMethod, UnknownMeasure, InvalidParameters, RegistrationError
        If there is no such method or measure, or it does not take these parameters, or cannot be registered.
    NotApplicable
        If the method cannot explain this network, or not in this precision.
    InvalidResult
        If it breaks its contract; the text names what to mend.
    ValueError
        If a target does not exist, or the network's input is not known.
    """
    method = _method(method)
    params = validate_parameters(method, parameters or {})
    judges = chosen_measures(measures)
    opened = open_network(network)
    spec = spec or _spec(opened.card, image)
    tensor, affine = read_image(image, spec)
    shape = tuple(tensor.shape[1:])
    job = _Job(progress, wants_partial=on_partial is not None)

    def observe(seen: torch.Tensor, other: torch.nn.Module | None) -> ObservedModel:
        return ObservedModel(
            form if other is None else other,
            job,
            spec=spec,
            output=output,
            image=seen.clone(),
            statistics=opened.card.brightness if opened.card else None,
            calibration=opened.card.calibration if opened.card else None,
            graph=graph if other is None else None,
        )

    @cache
    def graph() -> torch.fx.GraphModule | None:
        try:
            return _lifted(form, opened.module, tensor, spec)
        except NotApplicable:
            return None

    # As in the server: the profiling executor makes the first passes of every new shape slow, and buys nothing here.
    with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        own = None if precision is Precision.FLOAT32 else reduced(opened.module, tensor, spec)
        form = own.form_for(method, params) if own else explainable(opened.module, method, params, tensor, spec)
        model = observe(tensor, None)
        method.check_network(model.network)
        chosen = _targets(targets, opened.card, model, tensor)
        cost = method.cost(params, shape, len(chosen))
        started, before = time.monotonic(), model.forward_passes
        final: dict[int, Attribution] = {}
        for attribution in checked(method, method.explain(model, tensor.clone(), chosen, params, job), chosen, shape):
            if attribution.final:
                final[attribution.target] = attribution
            elif on_partial is not None:
                on_partial(attribution)
        seconds, passes = time.monotonic() - started, model.forward_passes - before
        names = opened.card.label_names if opened.card else None
        lift_once = cache(lambda: _lifted(form, opened.module, tensor, spec)) if own is None else own.lifted
        exact = None if own is None else observe(tensor, own.exact.folded())
        with Reruns(method, params, chosen, observe, lift_once, job) as reruns:
            measuring = Measuring(method, tensor, reruns, cost, lift_once)
            maps = tuple(_map(measuring, model, exact, final[target], names, judges, job) for target in chosen)
    return Explanation(maps, params, tensor, affine, passes, cost, seconds, precision)


class _Job:
    """Passes progress on. An author stops a method by an interrupt, so nothing is ever cancelled here."""

    def __init__(self, report: Callable[[int, int], None] | None, *, wants_partial: bool) -> None:
        self._report = report
        self.wants_partial = wants_partial

    def check(self) -> None:
        """Go on."""

    def progress(self, done: int, total: int) -> None:
        if not 0 <= done <= total:
            raise InvalidResult(f"progress must be reported as 0 <= done <= total, not {done!r} of {total!r}")
        if self._report is not None:
            self._report(done, total)


def _method(method: str | Method[Any]) -> Method[Any]:
    if isinstance(method, str):
        return load_registry().method(method)
    check_method(method)
    return method


def _spec(card: ModelCard | None, image: ImageSource) -> InputSpec:
    if card is not None:
        return card.input
    if isinstance(image, torch.Tensor):
        channels, height, width = image.shape[-3:]
        return InputSpec(size=min(height, width), channels=channels)
    raise ValueError(
        "the network has no model card: say what it expects, as spec=InputSpec(size=224, mean=0.5, std=0.25)"
    )


def _targets(
    wanted: int | str | Sequence[int | str] | None, card: ModelCard | None, model: ObservedModel, image: torch.Tensor
) -> list[int]:
    with torch.no_grad():
        outputs = model(image)[0]
    if wanted is None:
        return [int(outputs.argmax())]
    one_by_one = [wanted] if isinstance(wanted, (int, str)) else list(wanted)
    chosen = list(dict.fromkeys(_index(target, card, len(outputs)) for target in one_by_one))
    if not chosen:
        raise ValueError("name at least one target")
    return chosen


def _index(target: int | str, card: ModelCard | None, outputs: int) -> int:
    if isinstance(target, str):
        names = card.label_names if card else ()
        if target not in names:
            raise ValueError(f"unknown label {target!r}; there are: {', '.join(names) or 'none, without a model card'}")
        return names.index(target)
    if not 0 <= target < outputs:
        raise ValueError(f"unknown target {target}; the network's outputs are 0 to {outputs - 1}")
    return int(target)


def _lifted(
    form: torch.nn.Module, network: torch.nn.Module, image: torch.Tensor, spec: InputSpec
) -> torch.fx.GraphModule:
    return form if isinstance(form, torch.fx.GraphModule) else lifted(network, image, spec)


def _map(
    measuring: Measuring,
    model: ObservedModel,
    exact: ObservedModel | None,
    attribution: Attribution,
    names: Sequence[str] | None,
    judges: Sequence[tuple[Measure[Any], Parameters]],
    job: _Job,
) -> TargetMap:
    subject = measuring.subject(model, attribution)
    measured, refused = measuring.judge(subject, judges, job)
    target = attribution.target
    error = {} if exact is None else {ERROR: model.value(target) - exact.value(target)}
    return TargetMap(
        target=target,
        label=names[target] if names else None,
        values=subject.attribution.clone(),
        heatmap=subject.heatmap,
        output_value=model.value(target),
        convergence_delta=attribution.convergence_delta,
        facts=facts_of(attribution) | error,
        measured=measured,
        refused=refused,
    )
