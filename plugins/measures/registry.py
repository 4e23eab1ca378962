"""The measures that there are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..contract import Parameters
from ..errors import UnknownMeasure
from ..validation import validate_parameters
from .contract import Measure
from .deletion import Deletion
from .efficient_mprt import EfficientMprt
from .infidelity import Infidelity
from .insertion import Insertion
from .max_sensitivity import MaxSensitivity
from .road import Road
from .smooth_mprt import SmoothMprt
from .sparseness import Sparseness

__all__ = ["MEASURES", "measure_by_name", "measure_parameters"]

MEASURES: Mapping[str, Measure[Any]] = MappingProxyType(
    {
        measure.name: measure
        for measure in (
            Deletion(),
            Insertion(),
            Road(),
            Infidelity(),
            MaxSensitivity(),
            SmoothMprt(),
            EfficientMprt(),
            Sparseness(),
        )
    }
)
"""All measures by name, in the order in which they are told: faithfulness, robustness, randomisation, complexity."""


def measure_by_name(name: str) -> Measure[Any]:
    """Return a measure.

    Raises
    ------
    UnknownMeasure
        If none has this name; the text lists those there are.
    """
    try:
        return MEASURES[name]
    except KeyError:
        raise UnknownMeasure(name, MEASURES) from None


def measure_parameters(name: str, values: Mapping[str, Any]) -> Parameters:
    """Read a measure's parameters from JSON values; what is absent takes its default.

    Raises
    ------
    UnknownMeasure
        If no measure has this name.
    InvalidParameters
        If a parameter does not exist or has a wrong value.
    """
    return validate_parameters(measure_by_name(name), values)
