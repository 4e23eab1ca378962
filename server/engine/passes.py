"""What methods and measures say that they cost, in forward passes or their equivalent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...plugins import Method, NotApplicable, Parameters
from ...plugins.measures import Measure, Shared, runs_together

__all__ = ["MeasurePasses", "is_adaptive", "measure_passes", "method_passes"]

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
    own : int
        What of `each` are runs of the method that every map has of its own.
    """

    each: int
    runs: int
    shared: Shared | None = None
    own: int = 0

    @property
    def again(self) -> bool:
        """Whether the method runs again."""
        return bool(self.runs or self.own)

    @property
    def first(self) -> int:
        """What the first map of a method, image and network costs."""
        return self.each + self.runs + (self.shared.passes if self.shared is not None else 0)


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


def is_adaptive(method: Method[Any], params: Parameters) -> bool:
    """Return whether what a method announces is what it expects; not where it cannot say."""
    try:
        return bool(method.adaptive(params))
    except (Exception, SystemExit):  # noqa: BLE001 - a stranger's code
        _LOG.warning("method %s cannot say whether it is adaptive", method.name, exc_info=True)
        return False


def measure_passes(
    measure: Measure[Any], params: Parameters, shape: Sequence[int], targets: int, run: Callable[[int], int]
) -> MeasurePasses:
    """Return what a measure announces; 1 for every map where it makes no pass, or does not apply.

    Runs of the method are for all maps at once, as far as there is room to keep what the others take from them; beyond
    that every map has its own.

    Parameters
    ----------
    measure, params
        The measure, and its parameters.
    shape
        [C, H, W] of the input.
    targets
        Maps of the item.
    run
        Returns what one run of the method costs, for so many targets at once.
    """
    once = run(targets)
    try:
        first, alone = (min(int(measure.cost(params, shape, passes)), _MOST_PASSES) for passes in (once, 0))
        shared = measure.shared(params, shape)
    except NotApplicable:  # the worker says so in its refusal
        return MeasurePasses(1, 0)
    if first <= 0:
        return MeasurePasses(1, 0)
    if shared is not None:
        shared = Shared(shared.name, min(shared.passes, alone))
        alone -= shared.passes
    runs = first - alone - (shared.passes if shared is not None else 0)
    without_room = max(0, runs // once - runs_together(targets, shape)) if targets > 1 else 0
    own = min(without_room * run(1), _MOST_PASSES)
    return MeasurePasses(alone + own, runs - without_room * once, shared, own)
