"""The measures of quality that there are, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..contract import Parameters
from ..errors import UnknownMeasure
from ..validation import validate_parameters
from .contract import Measure

__all__ = ["MEASURES", "measure", "parameters"]

MEASURES: Mapping[str, Measure[Any]] = MappingProxyType({})
"""The measures, in alphabetical order."""


def measure(name: str, measures: Mapping[str, Measure[Any]] = MEASURES) -> Measure[Any]:
    """Return a measure.

    Parameters
    ----------
    name : str
        Its name.
    measures : mapping of str to Measure
        Among which; by default those that there are.

    Raises
    ------
    UnknownMeasure
        If none has this name; the text lists those there are.
    """
    try:
        return measures[name]
    except KeyError:
        raise UnknownMeasure(name, measures) from None


def parameters(name: str, values: Mapping[str, Any], measures: Mapping[str, Measure[Any]] = MEASURES) -> Parameters:
    """Read a measure's parameters from JSON values; what is absent takes its default.

    Raises
    ------
    UnknownMeasure
        If no measure has this name.
    InvalidParameters
        If a parameter does not exist or has a wrong value.
    """
    return validate_parameters(measure(name, measures), values, "measure")
