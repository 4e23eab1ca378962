"""Whether the measures and the lungs that a caller asks for exist. Every error names the field and what there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...handlers.lungs import LungMask, MaskProblem, read_mask
from ...handlers.repository import ENSEMBLE
from ...plugins import InvalidParameters, Parameters, Registry, validate_parameters
from ...plugins.measures import MEASURES, Measure
from ..errors import InvalidRequest, Violation
from .order import ExplainOrder, Lungs, MethodCall
from .validate import CheckedCall, check_methods, listed, wrong_parameters

__all__ = ["CheckedMeasure", "check_called", "check_lungs", "check_measurable", "check_measures"]


@dataclass(frozen=True)
class CheckedMeasure:
    """A measure with its parameters, defaults included."""

    measure: Measure[Any]
    parameters: Parameters


def check_called(
    order: ExplainOrder, registry: Registry, measures: Mapping[str, Measure[Any]] = MEASURES
) -> tuple[tuple[CheckedCall, ...], tuple[CheckedMeasure, ...]]:
    """Find the methods, the measures and the segmenter that a request names, and read their parameters.

    Raises
    ------
    InvalidRequest
        If one of them is wrong; names all that are.
    """
    calls: tuple[CheckedCall, ...] = ()
    measured: tuple[CheckedMeasure, ...] = ()
    violations: list[Violation] = []
    try:
        calls = check_methods(order.methods, registry)
    except InvalidRequest as error:
        violations += error.violations
    try:
        measured = check_measures(order.measures, measures)
    except InvalidRequest as error:
        violations += error.violations
    violations += _wrong_segmenter(order.lungs, registry)
    if violations:
        raise InvalidRequest(violations)
    return calls, measured


def check_measures(
    calls: Sequence[MethodCall], measures: Mapping[str, Measure[Any]] = MEASURES
) -> tuple[CheckedMeasure, ...]:
    """Find the measures and read their parameters.

    Raises
    ------
    InvalidRequest
        If there is an unknown one, one twice, or wrong parameters.
    """
    violations: list[Violation] = []
    checked: list[CheckedMeasure] = []
    for index, call in enumerate(calls):
        field = f"measures[{index}]"
        if any(call.name == earlier.name for earlier in calls[:index]):
            violations.append(Violation(f"{field}.name", "is named twice; make a request for each set of parameters"))
            continue
        if call.name not in measures:
            violations.append(Violation(f"{field}.name", f"unknown measure; there are: {listed(measures)}"))
            continue
        try:
            found = measures[call.name]
            checked.append(CheckedMeasure(found, validate_parameters(found, call.parameters)))
        except InvalidParameters as error:
            violations += wrong_parameters(field, error)
    if violations:
        raise InvalidRequest(violations)
    return tuple(checked)


def check_measurable(measures: Sequence[object], models: Iterable[str]) -> None:
    """Check that there is a network whose maps can be measured.

    Raises
    ------
    InvalidRequest
        If measures are asked for, and nothing but the vote is explained.
    """
    if measures and set(models) == {ENSEMBLE}:
        what = f"are taken of maps of networks, and {ENSEMBLE} alone would be explained: name a network, or no measure"
        raise InvalidRequest.of("measures", what)


def check_lungs(lungs: Lungs | None, height: int, width: int) -> LungMask | None:
    """Decode the mask of the lungs, where the caller gave one; takes a processor for some milliseconds.

    Parameters
    ----------
    lungs
        What is asked for.
    height, width
        Size of the X-ray, pixels, as displayed.

    Raises
    ------
    InvalidRequest
        If it cannot be used.
    """
    if lungs is None or lungs.mask is None:
        return None
    try:
        return LungMask(read_mask(lungs.mask, height, width))
    except MaskProblem as problem:
        raise InvalidRequest.of("lungs.mask", str(problem)) from None


def _wrong_segmenter(lungs: Lungs | None, registry: Registry) -> Iterator[Violation]:
    if lungs is not None and lungs.mask is None and lungs.segmenter not in registry.segmenters:
        there = f"there are: {listed(registry.segmenters)}; plugins bring them"
        yield Violation("lungs.segmenter", f"unknown segmenter; {there}")
