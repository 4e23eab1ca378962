"""Approximate occlusion: the map of all windows from as few of them as its error allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from math import ceil
from typing import ClassVar

import torch
from pydantic import Field

from ..contract import Attribution, Channels, Completeness, Job, Method, Need
from ..observed import ObservedModel
from .effects import Effects
from .interpolation import interpolated
from .occlusion import OcclusionParameters
from .window_order import window_order
from .windows import Windows

__all__ = ["ApproximateOcclusion", "ApproximateOcclusionParameters"]

_FIRST = 16
"""Windows before the first map."""
_FEWEST = 128
"""Windows before an error is believed,"""
_COVERING = 2.0
"""and in the place of one that does not overlap with others: what lies where nothing was hidden yet changes no map."""
_GROWTH = 2**0.5
"""Of the number of windows from one map to the next, so that the one before the last had half as many."""
_FALL = 0.8
"""To halve the error takes 2 ** _FALL times as many windows; measured, and used for forecasts alone."""
_NEEDED = 30.0
"""Windows in the place of one that does not overlap with others, for an error of 5 %: about the middle of what networks
needed, 5 to 110; for forecasts alone."""
_LEAST_RANGE = 1e-3
"""Of the output: a map of a smaller range says that nothing matters, and needs no more accuracy than this."""


class ApproximateOcclusionParameters(OcclusionParameters):
    """What is hidden, behind what, and how exactly the map of it is wanted."""

    stride: float | None = Field(
        default=None,
        gt=0,
        description="From one window to the next: below 1 a fraction of the side of the network's input, else pixels "
        "of it; at most the window. Absent: a twelfth of the window.",
    )
    max_error: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Estimated error at which it stops, 0 to 1: that of the pixel where it is largest, as a share of "
        "the map's range, in the worst of the labels. 0: it goes on until all windows are computed; the last map is "
        "occlusion's.",
    )

    def default_stride(self, side: int) -> int:
        """Return a twelfth of the window, as in the paper that this serves (50 and 4 pixels)."""
        return max(1, side // 12)


class ApproximateOcclusion(Method[ApproximateOcclusionParameters]):
    """Occlusion by many windows that overlap, of which only some are computed.

    Neighbouring windows hide nearly the same, so that the effects of most follow from others: they are interpolated.
    Windows are computed in an order that does not depend on what was found. After some more of them the map is made
    anew. By how much it has changed since it had half as many windows is the estimate of its error, once nearly every
    pixel was hidden. It is no less than the error, on average, where errors fall at least with the square root of the
    number of windows, as those of samples without any order do; where effects are smooth, errors fall faster and are
    smaller than it.
    (Nakandala, Kumar, Papakonstantinou: Incremental and Approximate Inference for Faster Occlusion-based Deep CNN
    Explanations, SIGMOD 2019, refines where a coarse map says so; the benchmark of the error has a rival that does.)
    """

    name = "approximate_occlusion"
    title = "Approximate occlusion"
    description = (
        "Occlusion's map, from a part of its windows: how much the output drops when a window over the place is "
        "hidden, in units of the output, the mean over the windows that cover a pixel; negative where hiding raises "
        "the output. Its facts say how many windows were computed (`windows`) of how many (`all_windows`), and "
        "estimate the largest error of any pixel, as a share of the map's range, or of a thousandth of the output "
        "where that is more (`estimated_error`; 0 where all were)."
    )
    reference = "Zeiler, Fergus: Visualizing and Understanding Convolutional Networks. ECCV 2014. arXiv:1311.2901"
    parameters = ApproximateOcclusionParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD})
    signed = True
    completeness = Completeness.NONE
    channels = Channels.REPEATED

    def explain(
        self,
        model: ObservedModel,
        image: torch.Tensor,
        targets: Sequence[int],
        params: ApproximateOcclusionParameters,
        job: Job,
    ) -> Iterator[Attribution]:
        """Yield maps of more and more windows; targets share every one, and the worst of them decides when to stop."""
        windows = params.windows(image.shape[1:])
        total = self.cost(params, image.shape[1:], len(targets))
        baseline = params.baseline.like(image, model.spec, statistics=model.statistics, seed=params.seed)
        order = window_order(*windows.grid)
        effects = Effects(model, image, baseline, windows, targets, params.batch_size)
        least_range = _LEAST_RANGE * effects.outputs.abs()
        earlier: deque[torch.Tensor] = deque(maxlen=2)
        needed, done, fewest = total - 1, 1, _fewest(windows)
        job.progress(done, total)
        for begin, end in _rounds(len(order)):
            known = begin
            for computed in effects.compute(order[begin:end]):
                known += computed
                # How many it takes is known at the end alone; the forecast may fall, progress does not.
                now = min((1 + known) * total // (1 + needed), total - (known < len(order)))
                if now > done:
                    done = now
                    job.progress(done, total)
            exact = end == len(order)
            maps = windows.average(effects.values if exact else interpolated(effects.values, effects.known))
            errors = torch.zeros(len(targets)) if exact else None
            if not exact and end >= fewest:
                errors = _changes(earlier[0], maps, least_range)
                worst = float(errors.max())
                forecast = end * (worst / params.max_error) ** _FALL if params.max_error else len(order)
                needed = ceil(min(len(order), max(end, forecast)))
            final = exact or (params.max_error > 0 and errors is not None and float(errors.max()) <= params.max_error)
            if final and done < total:
                done = total
                job.progress(done, total)
            facts = [{"windows": float(end), "all_windows": float(len(order))} for _ in targets]
            for fact, error in zip(facts, () if errors is None else errors.tolist(), strict=False):
                fact["estimated_error"] = error
            yield from effects.attributions(maps, done / total, final=final, facts=facts)
            if final:
                return
            earlier.append(maps)

    def adaptive(self, params: ApproximateOcclusionParameters) -> bool:
        """Return whether it stops before all windows are computed."""
        return params.max_error > 0

    def cost(self, params: ApproximateOcclusionParameters, shape: Sequence[int], targets: int) -> int:
        """Return the number of windows it takes, and one for the image itself; targets cost nothing.

        With `max_error` above 0 it is an expectation, no bound.
        """
        windows = params.windows(shape)
        rows, columns = windows.grid
        if not params.max_error:
            return 1 + rows * columns
        expected: float = _NEEDED * windows.places * (0.05 / params.max_error) ** _FALL
        return 1 + round(min(rows * columns, max(_fewest(windows), expected)))


def _fewest(windows: Windows) -> int:
    """Return how many windows it takes before an error is believed."""
    return max(_FEWEST, ceil(_COVERING * windows.places))


def _rounds(cells: int) -> Iterator[tuple[int, int]]:
    """Yield the windows from one map to the next: the first and the one behind the last."""
    begin, size = 0, float(min(_FIRST, max(4, cells // 10)))
    while begin < cells:
        end = min(round(size), cells)
        yield begin, end
        begin, size = end, size * _GROWTH


def _changes(before: torch.Tensor, after: torch.Tensor, least_range: torch.Tensor) -> torch.Tensor:
    """Return the largest change of any pixel of each map, [T], as a share of the map's range."""
    largest = (after - before).abs().amax(dim=(1, 2))
    ranges = after.amax(dim=(1, 2)) - after.amin(dim=(1, 2))
    scale = torch.maximum(ranges, least_range)
    return torch.where(scale > 0, largest / scale, 0.0)
