"""KernelSHAP: the Shapley values of an image's segments, from a weighted regression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import comb
from typing import ClassVar

import torch
from pydantic import Field, model_validator
from typing_extensions import Self

from ..contract import Attribution, Completeness, Job, Method, Need
from ..observed import ObservedModel
from ..order import stages
from .seeds import seed_field
from .segments import SegmentParameters, Segments

__all__ = ["KernelShap", "KernelShapParameters", "coalitions", "shapley_regression"]


class KernelShapParameters(SegmentParameters):
    """What is hidden, and how often."""

    samples: int = Field(
        default=1000,
        ge=10,
        le=20_000,
        description="Images with some segments hidden, 10 to 20000, at least four per segment. The more, the less "
        "chance is in the map; where there are no more ways to hide segments, all are tried and the values are exact.",
    )
    seed: int = seed_field("which segments are hidden, and of the baseline uniform_noise")

    @model_validator(mode="after")
    def _samples_suffice(self) -> Self:
        if self.samples < min(4 * self.segments, 2**self.segments - 2):
            raise ValueError(f"samples must be at least {4 * self.segments}, four per segment, or chance decides")
        return self

    def sampled(self, segments: int) -> int:
        """Return how many coalitions of these segments are tried."""
        every: int = 2**segments - 2
        return min(self.samples, every)


class KernelShap(Method[KernelShapParameters]):
    """Shapley values by the regression whose solution they are.

    Coalitions are drawn as often as the Shapley kernel weighs them, each followed by its complement (Covert and Lee,
    arXiv:2012.01536), and the values are made to sum to the change of the output exactly, where Captum puts a large
    weight on both ends instead. All targets are fitted to the same forward passes. A partial map is the fit to those
    so far, held back a little towards equal shares while there are few.
    """

    name = "kernel_shap"
    title = "KernelSHAP"
    description = (
        "Each segment's Shapley value, its mean share of the change of the output over the orders in which segments "
        "can be revealed, spread evenly over its pixels, in units of the output per pixel. The values sum to the "
        "change from the baseline to the X-ray; how it is divided is an estimate from samples."
    )
    reference = "Lundberg, Lee: A Unified Approach to Interpreting Model Predictions. NeurIPS 2017. arXiv:1705.07874"
    parameters = KernelShapParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD})
    signed = True
    completeness = Completeness.EXACT

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: KernelShapParameters, job: Job
    ) -> Iterator[Attribution]:
        """Yield fits to a growing part of the coalitions, then to all; targets share every forward pass."""
        total = self.cost(params, image.shape[1:], len(targets))
        segments = params.cut(image, model.spec)
        baseline = params.baseline.like(image, model.spec, statistics=model.statistics, seed=params.seed)
        present, weights = coalitions(segments.count, params.sampled(segments.count), params.seed)
        chosen = list(targets)
        with torch.no_grad():
            at_image, at_baseline = model(torch.cat([image, baseline]))[:, chosen].double()
        change = at_image - at_baseline
        job.progress(2 if len(present) else total, total)

        gains = torch.zeros(len(present), len(targets), dtype=torch.float64)
        for part, due in stages(len(present), params.batch_size, partial=job.wants_partial):
            with torch.no_grad():
                gains[part] = model(segments.show(image, baseline, present[part]))[:, chosen].double() - at_baseline
            # There may be fewer segments than asked for, and fewer coalitions of them.
            job.progress(total if part.stop == len(present) else 2 + part.stop, total)
            if due:
                seen = slice(part.stop)
                fit = shapley_regression(present[seen], gains[seen], weights[seen], change, hold=_HOLD)
                fraction = (2 + part.stop) / (2 + len(present))
                for target, values in zip(targets, _spread(segments, fit, image), strict=True):
                    yield Attribution(target, values, fraction, final=False)
        fit = shapley_regression(present, gains, weights, change)
        for target, values, exact in zip(targets, _spread(segments, fit, image), change, strict=True):
            delta = float(values.double().sum() - exact)
            yield Attribution(target, values, fraction=1.0, final=True, convergence_delta=delta)

    def cost(self, params: KernelShapParameters, shape: Sequence[int], targets: int) -> int:
        """Return the number of coalitions at most, and two for the image and the baseline; targets cost nothing."""
        params.check_shape(shape)
        return 2 + params.sampled(params.segments)


_HOLD = 3.0
"""Weight of squared deviations from equal shares in a partial fit, in coalitions. Without it, a fit to as many pairs as
there are segments is worse than one to half of them; much more slows the approach."""


def coalitions(segments: int, samples: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose sets of segments to show, neither none nor all.

    Parameters
    ----------
    segments : int
        How many there are to show.
    samples : int
        How many sets to draw. Where there are no more than this, all of them are returned, in random order.
    seed : int
        Of the draw; the global random state is neither read nor changed.

    Returns
    -------
    torch.Tensor
        Bool, [N, segments]: pairs of a set and its complement.
    torch.Tensor
        Float64, [N]: the weights of the regression.
    """
    generator = torch.Generator().manual_seed(seed)
    if 2**segments - 2 <= samples:
        # Those with the first segment, but not all; the complements are those without.
        codes = torch.randperm(2 ** (segments - 1) - 1, generator=generator) * 2 + 1
        first = (codes[:, None] >> torch.arange(segments)) % 2 == 1
    else:
        numbers = torch.arange(1, segments, dtype=torch.float64)
        odds = 1 / (numbers * (segments - numbers))
        shown = 1 + torch.multinomial(odds, (samples + 1) // 2, replacement=True, generator=generator)
        ranks = torch.rand(len(shown), segments, generator=generator).argsort(dim=1).argsort(dim=1)
        first = ranks < shown[:, None]
    present = torch.stack([first, ~first], dim=1).flatten(0, 1)[:samples]
    if len(present) < 2**segments - 2:
        return present, torch.ones(len(present), dtype=torch.float64)  # They were drawn as often as they weigh.
    sizes = present.sum(dim=1).tolist()
    kernel = [(segments - 1) / (comb(segments, size) * size * (segments - size)) for size in sizes]
    return present, torch.tensor(kernel, dtype=torch.float64) * len(present) / max(1e-300, sum(kernel))


def shapley_regression(
    present: torch.Tensor, gains: torch.Tensor, weights: torch.Tensor, change: torch.Tensor, *, hold: float = 0.0
) -> torch.Tensor:
    """Fit one value per segment to what sets of segments gain; the values sum to the whole change.

    Parameters
    ----------
    present : torch.Tensor
        Bool, [N, segments].
    gains : torch.Tensor
        Float64, [N, T]: output with these segments, less that of the baseline.
    weights : torch.Tensor
        Float64, [N].
    change : torch.Tensor
        Float64, [T]: output of the whole image, less that of the baseline.
    hold : float
        Weight of the squared deviations of the values from equal shares.

    Returns
    -------
    torch.Tensor
        Float64, [T, segments]. The values closest to equal shares where the sets do not decide.
    """
    count = present.shape[1]
    shown = present.double()
    # Values are equal shares and deviations of sum zero: the projection leaves only these to be fitted.
    equal = change[:, None].expand(-1, count) / count
    root = weights.sqrt()[:, None]
    design = root * (shown - shown.mean(dim=1, keepdim=True))
    rest = root * (gains - shown @ equal.T)
    normal = design.T @ design + hold * torch.eye(count, dtype=torch.float64)
    # What the sets do not decide, their sum among it, has eigenvalue zero but for rounding.
    deviations: torch.Tensor = torch.linalg.pinv(normal, rtol=1e-10, hermitian=True) @ (design.T @ rest)
    return equal + deviations.T


def _spread(segments: Segments, fit: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Divide the values [T, count] among the segments' pixels and channels: float32, [T, C, H, W]."""
    channels = image.shape[1]
    planes = segments.paint(fit / (segments.areas * channels))
    return planes[:, None].expand(-1, channels, -1, -1).float()
