"""Whether a method returned what the contract says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch

from .contract import Attribution, Completeness, Method, Parameters
from .errors import InvalidResult

__all__ = ["checked", "facts_of"]


def checked(
    method: Method[Parameters], attributions: Iterable[Attribution], targets: Sequence[int], shape: Sequence[int]
) -> Iterator[Attribution]:
    """Pass on a method's attributions as long as they are what the contract says.

    Parameters
    ----------
    method : Method
        The method, for what it declares.
    attributions : iterable of Attribution
        What it yields.
    targets : sequence of int
        The targets it was given.
    shape : sequence of int
        [C, H, W] of the image it was given.

    Yields
    ------
    Attribution
        Each one, found right.

    Raises
    ------
    InvalidResult
        If one is not; the text names what to mend.
    """
    missing = list(targets)
    for attribution in attributions:
        if not isinstance(attribution, Attribution):
            raise InvalidResult(f"explain must yield Attribution, not {type(attribution).__name__}")
        if attribution.target not in targets:
            raise InvalidResult(f"target {attribution.target!r} was not asked for; the targets are {list(targets)}")
        if attribution.target not in missing:
            raise InvalidResult(f"target {attribution.target} got another map after its final one; yield one final")
        _check_values(method, attribution, tuple(shape))
        _check_numbers(method, attribution)
        if attribution.final:
            missing.remove(attribution.target)
        yield attribution
    if missing:
        raise InvalidResult(f"targets {missing} got no map with final=True; yield one per target")


def _check_values(method: Method[Parameters], attribution: Attribution, shape: tuple[int, ...]) -> None:
    values = attribution.values
    if not isinstance(values, torch.Tensor):
        raise InvalidResult(f"values must be a torch.Tensor, not {type(values).__name__}")
    if tuple(values.shape) != shape:
        raise InvalidResult(f"values must have the image's shape {list(shape)}, not {list(values.shape)}")
    if values.dtype is not torch.float32:
        raise InvalidResult(f"values must be float32, not {values.dtype}; call .float()")
    if values.device.type != "cpu":
        raise InvalidResult(f"values must be on the CPU, not on {values.device}; call .cpu()")
    if not torch.isfinite(values).all():
        raise InvalidResult("values must be finite; there is NaN or infinity")
    if not method.signed and values.min() < 0:
        raise InvalidResult("values must be 0 or more, since the method declares signed = False")


def _check_numbers(method: Method[Parameters], attribution: Attribution) -> None:
    fraction, delta = attribution.fraction, attribution.convergence_delta
    if not (isinstance(fraction, (int, float)) and 0 <= fraction <= 1):
        raise InvalidResult(f"fraction must be in [0, 1], not {fraction!r}")
    if attribution.final and fraction != 1:
        raise InvalidResult(f"a final map has fraction 1, not {fraction!r}")
    if delta is not None and not (isinstance(delta, (int, float)) and math.isfinite(delta)):
        raise InvalidResult(f"convergence_delta must be a finite number or None, not {delta!r}")
    if method.completeness is Completeness.EXACT and attribution.final and delta is None:
        raise InvalidResult("the method declares completeness EXACT: its final maps need a convergence_delta")
    if method.completeness is Completeness.NONE and delta is not None:
        raise InvalidResult("the method declares completeness NONE: a convergence_delta has no meaning, leave it None")
    for name, value in attribution.facts.items():
        if not (isinstance(name, str) and name.isidentifier()):
            raise InvalidResult(f"facts must have names in snake case, not {name!r}")
        if not (isinstance(value, (int, float)) and math.isfinite(value)):
            raise InvalidResult(f"facts must be finite numbers, and {name} is {value!r}")


def facts_of(attribution: Attribution) -> dict[str, float]:
    """Return what was found out about a map: the method's facts, and `output_change` where it has a convergence delta.

    That is the change of the output which the map shares out; a delta says little without it.
    """
    facts = {name: float(value) for name, value in attribution.facts.items()}
    if attribution.convergence_delta is not None:
        facts.setdefault("output_change", float(attribution.values.double().sum()) - attribution.convergence_delta)
    return facts
