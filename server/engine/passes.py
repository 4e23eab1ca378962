"""What methods and measures say that they cost, in forward passes or their equivalent."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...plugins import Method, NotApplicable, Parameters, Precision
from ...plugins.measures import Measure, Shared

__all__ = ["MeasurePasses", "measure_passes", "method_passes", "paced"]

_LOG = logging.getLogger(__name__)
_MOST_PASSES = 10**9


@dataclass(frozen=True)
class MeasurePasses:
    """What a measure announces, in forward passes or their equivalent.

    Parameters
    ----------
    each : int
        For every map.
    runs : int
        For runs of the method, which are for all maps of an item at once; the first map has them.
    shared : Shared, optional
        What only the first map of an image and network has; where there is such.
    """

    each: int
    runs: int
    shared: Shared | None = None

    @property
    def first(self) -> int:
        """What the first map of a method, image and network costs."""
        return self.each + self.runs + (self.shared.passes if self.shared is not None else 0)


def paced(method: str, precision: Precision) -> str:
    """Name a method's work by its pace, which every precision has of its own."""
    return method if precision is Precision.FLOAT32 else f"{method} in {precision.value}"


def method_passes(method: Method[Any], params: Parameters, shape: Sequence[int], targets: int) -> int:
    """Return what a method announces for an image, at least 1; 1 where it cannot say.

    Parameters
    ----------
    method, params
        The method, and its parameters.
    shape
        [C, H, W] of the input.
    targets
        Number of targets.
    """
    try:
        # As a whole number: a stranger's method may return anything.
        return max(1, min(int(method.cost(params, shape, targets)), _MOST_PASSES))
    except NotApplicable:  # the worker says so in its failure
        return 1
    except (Exception, SystemExit):  # noqa: BLE001 - a stranger's code; the worker will say what is wrong with it
        _LOG.warning("method %s cannot say what it costs", method.name, exc_info=True)
        return 1


def measure_passes(measure: Measure[Any], params: Parameters, shape: Sequence[int], passes: int) -> MeasurePasses:
    """Return what a measure announces; 1 for every map where it makes no pass, or does not apply.

    Parameters
    ----------
    measure, params
        The measure, and its parameters.
    shape
        [C, H, W] of the input.
    passes
        What one run of the method costs, for all targets at once.
    """
    try:
        first, alone = (min(int(measure.cost(params, shape, run)), _MOST_PASSES) for run in (passes, 0))
        shared = measure.shared(params, shape)
    except NotApplicable:  # the worker says so in its refusal
        return MeasurePasses(1, 0)
    if first <= 0:
        return MeasurePasses(1, 0)
    if shared is not None:
        shared = Shared(shared.name, min(shared.passes, alone))
    return MeasurePasses(alone - (shared.passes if shared is not None else 0), first - alone, shared)
