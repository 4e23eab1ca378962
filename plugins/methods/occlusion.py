"""Occlusion: what hiding a part of the image takes from an output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from ..contract import Attribution, Channels, Completeness, Job, Method, Need, Parameters
from ..errors import NotApplicable
from ..observed import ObservedModel
from ..order import stages
from .baselines import BASELINES, Baseline
from .effects import Effects
from .interpolation import interpolated
from .seeds import seed_field
from .window_order import window_order
from .windows import Windows

__all__ = ["Occlusion", "OcclusionParameters"]

_FEWEST = 4
"""Windows before a partial map: those in the corners, between which the others lie."""


class OcclusionParameters(Parameters):
    """What is hidden, and behind what.

    Lengths below 1 are fractions of the shorter side of the network's input, others whole pixels of it.
    """

    window: float = Field(
        default=0.125,
        gt=0,
        description="Side of the window: below 1 a fraction of the side of the network's input, else pixels of it.",
    )
    stride: float | None = Field(
        default=None,
        gt=0,
        description="From one window to the next: below 1 a fraction of the side of the network's input, else pixels "
        "of it; at most the window. Absent: half of the window.",
    )
    baseline: Baseline = Field(
        default=Baseline.BLACK,
        description=f"What the window shows: {BASELINES}.",
    )
    batch_size: int = Field(
        default=4,
        ge=1,
        le=256,
        description="Bounds the memory: beside the X-ray's own activations no more is held at once than so many whole "
        "images take, 1 to 256.",
    )
    seed: int = seed_field("the baseline uniform_noise")

    @field_validator("window", "stride")
    @classmethod
    def _pixels_are_whole(cls, length: float | None) -> float | None:
        if length is not None and length >= 1 and length != int(length):
            raise ValueError("must be below 1 (a fraction of the side) or a whole number (pixels)")
        return length

    @model_validator(mode="after")
    def _stride_fits(self) -> Self:
        comparable = self.stride is not None and (self.stride < 1) == (self.window < 1)
        if comparable and self.stride is not None and self.stride > self.window:
            raise ValueError("stride must not be above window, or pixels between the windows are never hidden")
        return self

    def default_stride(self, side: int) -> int:
        """Return how far windows of a side lie apart where nothing is said: half of it, pixels."""
        return max(1, side // 2)

    def windows(self, shape: Sequence[int]) -> Windows:
        """Place the windows on an input.

        Parameters
        ----------
        shape : sequence of int
            [C, H, W].

        Raises
        ------
        NotApplicable
            If the window does not fit into the input, or the stride not into the window.
        """
        height, width = int(shape[-2]), int(shape[-1])
        shorter = min(height, width)
        side = _pixels(self.window, shorter)
        stride = self.default_stride(side) if self.stride is None else _pixels(self.stride, shorter)
        if side > shorter:
            raise NotApplicable(
                f"window of {side:.6g} pixels does not fit into the network's {height} x {width} pixels"
            )
        if stride > side:
            raise NotApplicable(f"stride of {stride:.6g} pixels is above the window of {side} pixels")
        return Windows(height, width, side, stride)


def _pixels(length: float, side: int) -> int:
    return int(length) if length >= 1 else max(1, round(length * side))


class Occlusion(Method[OcclusionParameters]):
    """The mean drop of an output over the windows that cover a pixel.

    The windows are visited in an order whose beginnings are spread over the image. A partial map interpolates the
    effects of those not tried yet, and so estimates the final one. Where the network can be lifted, only what a window
    changes is computed, to the same map but for rounding (incremental inference; Nakandala, Kumar, Papakonstantinou:
    Incremental and Approximate Inference for Faster Occlusion-based Deep CNN Explanations. SIGMOD 2019).
    """

    name = "occlusion"
    title = "Occlusion"
    description = (
        "How much the output drops when a window over the place is hidden, in units of the output: the mean over the "
        "windows that cover a pixel. Negative where hiding raises the output."
    )
    reference = "Zeiler, Fergus: Visualizing and Understanding Convolutional Networks. ECCV 2014. arXiv:1311.2901"
    parameters = OcclusionParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD})
    signed = True
    completeness = Completeness.NONE
    channels = Channels.REPEATED

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: OcclusionParameters, job: Job
    ) -> Iterator[Attribution]:
        """Yield partial maps with a growing part of the windows, then the whole; targets share every forward pass."""
        windows = params.windows(image.shape[1:])
        total = self.cost(params, image.shape[1:], len(targets))
        baseline = params.baseline.like(image, model.spec, statistics=model.statistics, seed=params.seed)
        order = window_order(*windows.grid)
        effects = Effects(model, image, baseline, windows, targets, params.batch_size)
        done = 1
        job.progress(done, total)
        for part, due in stages(len(order), len(order), partial=job.wants_partial):
            for computed in effects.compute(order[part]):
                done += computed
                job.progress(done, total)
            if due and part.stop >= _FEWEST:
                estimate = windows.average(interpolated(effects.values, effects.known))
                yield from effects.attributions(estimate, done / total, final=False)
        yield from effects.attributions(windows.average(effects.values), 1.0, final=True)

    def cost(self, params: OcclusionParameters, shape: Sequence[int], targets: int) -> int:
        """Return the number of windows, and one for the image itself; targets cost nothing."""
        rows, columns = params.windows(shape).grid
        return 1 + rows * columns
