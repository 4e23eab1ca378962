"""What methods and measures say that they cost, in forward passes or their equivalent."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from ...plugins import Method, NotApplicable, Parameters
from ...plugins.measures import Measure

__all__ = ["measure_passes", "method_passes"]

_LOG = logging.getLogger(__name__)
_MOST_PASSES = 10**9


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


def measure_passes(measure: Measure[Any], params: Parameters, shape: Sequence[int], passes: int) -> int:
    """Return what a measure announces for one map, at least 1; 1 where it does not apply.

    Parameters
    ----------
    measure, params
        The measure, and its parameters.
    shape
        [C, H, W] of the input.
    passes
        What one run of the method for one target costs.
    """
    try:
        return max(1, min(int(measure.cost(params, shape, passes)), _MOST_PASSES))
    except NotApplicable:  # the worker says so in its refusal
        return 1
