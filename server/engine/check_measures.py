"""Whether the measures and the lungs that a caller asks for exist. Every error names the field and what there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...handlers.lungs import LungMask, MaskProblem, read_mask
from ...handlers.repository import ENSEMBLE
from ...plugins import InvalidParameters, Parameters, Registry, UnknownMeasure
from ...plugins.measures import MEASURES, Measure, measure, parameters
from ..errors import InvalidRequest, Violation
from .order import Lungs, MethodCall
from .validate import listed, wrong_parameters

__all__ = ["CheckedMeasure", "check_lungs", "check_measurable", "check_measures", "check_segmenter"]


@dataclass(frozen=True)
class CheckedMeasure:
    """A measure with its parameters, defaults included."""

    measure: Measure[Any]
    parameters: Parameters


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
        try:
            found = measure(call.name, measures)
            checked.append(CheckedMeasure(found, parameters(call.name, call.parameters, measures)))
        except UnknownMeasure as error:
            violations.append(Violation(f"{field}.name", f"unknown measure; there are: {listed(error.known)}"))
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


def check_segmenter(lungs: Lungs | None, registry: Registry) -> None:
    """Check that a segmenter that is asked for exists.

    Raises
    ------
    InvalidRequest
        If there is none of this name.
    """
    if lungs is None or lungs.mask is not None or lungs.segmenter in registry.segmenters:
        return
    there = f"there are: {listed(registry.segmenters)}; plugins bring them"
    raise InvalidRequest.of("lungs.segmenter", f"unknown segmenter; {there}")


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
