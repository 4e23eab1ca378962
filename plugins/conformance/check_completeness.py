"""A method that says its maps are complete proves it on a non-linear network."""

from __future__ import annotations

import math
from statistics import fmean, stdev

import torch

from ..contract import Attribution, Completeness
from .breach import Breach
from .networks import ordinary
from .subject import TARGETS, Recording, Subject

__all__ = ["check_completeness"]

_TOLERANCE = 0.02
"""Of the change of the output, or of a tenth of the sum of magnitudes where that is more."""
_ROUNDING = 2e-3
"""The same for what is equal but for float32."""
_SEEDS = 12
"""Runs of a method that is complete in expectation."""
_STANDARD_ERRORS = 4.0
"""Distance of their mean from zero that chance may have."""


def check_completeness(subject: Subject) -> None:
    """Compare the sum of each map with the change of the output, as the method declares it."""
    match subject.method.completeness:
        case Completeness.EXACT:
            _check_exact(subject)
        case Completeness.IN_EXPECTATION:
            _check_in_expectation(subject)
        case Completeness.NONE:
            # What a map says without being complete is the method's own affair; `checked` refuses a delta.
            subject.whole  # noqa: B018


def _check_exact(subject: Subject) -> None:
    recording = subject.whole
    for attribution in recording.maps:
        delta = attribution.convergence_delta
        if delta is None:
            continue  # a partial map; `checked` refuses a final one without
        change = _total(attribution) - delta
        changes = _changes(recording, attribution.target)
        nearest = float(changes[(changes - change).abs().argmin()]) if len(changes) else math.nan
        scale = max(abs(change), 0.1 * float(attribution.values.abs().sum()))
        which = f"the {'final' if attribution.final else 'partial'} map of target {attribution.target}"
        if not abs(change - nearest) <= _ROUNDING * scale:
            raise Breach(
                f"{which}: its sum {_total(attribution):.4g} minus its convergence_delta {delta:.4g} says that the "
                f"output changes by {change:.4g} from the baseline, but no image that went through the model has such "
                f"an output (the nearest change is {nearest:.4g}); compute the delta as "
                "sum - (f(image) - f(baseline)) with the model's own outputs, or declare another completeness"
            )
        if attribution.final and abs(delta) > _TOLERANCE * scale:
            raise Breach(
                f"{which} is not complete: its sum is {_total(attribution):.4g}, the change of the output "
                f"{change:.4g}; mend the method or its default parameters, or declare Completeness.NONE"
            )


def _check_in_expectation(subject: Subject) -> None:
    if "seed" not in subject.method.parameters.model_fields:
        raise Breach("completeness IN_EXPECTATION is over random draws: the method needs a parameter `seed`")
    case = ordinary(subject.channels)
    recordings = [subject.record(case, seed=seed) for seed in range(_SEEDS)]
    for target in TARGETS:
        finals = [recording.final(target) for recording in recordings]
        deltas = [one.convergence_delta for one in finals if one.convergence_delta is not None]
        if len(deltas) < len(finals):
            raise Breach(
                "completeness IN_EXPECTATION: final maps need a convergence_delta, which says how far a run is off"
            )
        for recording, attribution, delta in zip(recordings, finals, deltas, strict=True):
            _check_plausible(recording, attribution, delta)
        room = _STANDARD_ERRORS * stdev(deltas) / math.sqrt(_SEEDS)
        room += _TOLERANCE * fmean(max(abs(_total(one)), 0.1 * float(one.values.abs().sum())) for one in finals)
        if abs(fmean(deltas)) > room:
            raise Breach(
                f"target {target}: the mean convergence_delta over {_SEEDS} seeds is {fmean(deltas):.4g}, which chance "
                f"does not explain (at most {room:.4g}); the maps are not complete in expectation: mend the method, or "
                "declare Completeness.NONE"
            )


def _check_plausible(recording: Recording, attribution: Attribution, delta: float) -> None:
    """Check that the output of the mean baseline lies between the outputs that were seen."""
    change, changes = _total(attribution) - delta, _changes(recording, attribution.target)
    room = _TOLERANCE * (float(changes.max() - changes.min()) + abs(change)) if len(changes) else math.nan
    if not float(changes.min()) - room <= change <= float(changes.max()) + room:
        raise Breach(
            f"target {attribution.target}: the sum minus the convergence_delta, {change:.4g}, is no change of the "
            "output from any image that went through the model; compute the delta as "
            "sum - (f(image) - mean of f(baselines))"
        )


def _total(attribution: Attribution) -> float:
    return float(attribution.values.double().sum())


def _changes(recording: Recording, target: int) -> torch.Tensor:
    """Return the changes of the output from each image that went through the model to the explained one."""
    value = recording.run.model.value(target)
    return value - torch.cat(recording.run.model.seen)[:, target].double()
