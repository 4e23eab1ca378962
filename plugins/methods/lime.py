"""LIME: a linear model of what showing and hiding segments does to an output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from pydantic import Field, model_validator
from typing_extensions import Self

from ..contract import Attribution, Channels, Completeness, Job, Method, Need
from ..observed import ObservedModel
from ..order import stages
from .seeds import seed_field
from .segments import SegmentParameters

__all__ = ["Lime", "LimeParameters", "lime_samples", "lime_weights"]


class LimeParameters(SegmentParameters):
    """What is hidden, how often, and how the linear model is fitted."""

    samples: int = Field(
        default=500,
        ge=10,
        le=20_000,
        description="Images with some segments hidden, 10 to 20000, at most 2 to the power of segments. The more, the "
        "less chance is in the map.",
    )
    kernel_width: float = Field(
        default=0.25,
        gt=0,
        le=100,
        description="Width of the kernel that weighs an image by its cosine distance from the whole X-ray, which is in "
        "[0, 1]; above 0. Small: the linear model is true close to the X-ray.",
    )
    regularisation: float = Field(
        default=1.0, ge=0, description="Weight of the squared coefficients in the fit (ridge regression), 0 or more."
    )
    seed: int = seed_field("which segments are hidden, and of the baseline uniform_noise")

    @model_validator(mode="after")
    def _samples_differ(self) -> Self:
        if self.samples > 2**self.segments:
            raise ValueError(f"samples must be at most {2**self.segments}: {self.segments} segments have no more")
        return self


class Lime(Method[LimeParameters]):
    """The coefficients of a linear model that is fitted to outputs of the network with segments hidden at random.

    Sampling, kernel and ridge regression are those of the authors' package for images. Captum's `Lime` gives the same
    numbers for the same samples, but one target per sweep and nothing on the way; here all targets are fitted to the
    same forward passes, and a partial map is the fit to those so far.
    """

    name = "lime"
    title = "LIME"
    description = (
        "How much the segment around the place adds to the output when it is shown rather than hidden, in units of the "
        "output: the coefficient of a linear model of the network near this X-ray. Other samples give another map; how "
        "far it moves with the seed says how much of it to believe."
    )
    reference = (
        "Ribeiro, Singh, Guestrin: 'Why Should I Trust You?': Explaining the Predictions of Any Classifier. KDD 2016. "
        "arXiv:1602.04938"
    )
    parameters = LimeParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD})
    signed = True
    completeness = Completeness.NONE
    channels = Channels.REPEATED

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: LimeParameters, job: Job
    ) -> Iterator[Attribution]:
        """Yield fits to a growing part of the samples, then to all; targets share every forward pass."""
        total = self.cost(params, image.shape[1:], len(targets))
        segments = params.cut(image, model.spec)
        baseline = params.baseline.like(image, model.spec, statistics=model.statistics, seed=params.seed)
        present = lime_samples(segments.count, params.samples, params.seed)
        weights = lime_weights(present, params.kernel_width)
        outputs = torch.zeros(params.samples, len(targets), dtype=torch.float64)

        for part, due in stages(params.samples, params.batch_size, partial=job.wants_partial):
            with torch.no_grad():
                outputs[part] = model(segments.show(image, baseline, present[part]))[:, list(targets)].double()
            job.progress(part.stop, total)
            if due:
                fit = _fit(present[: part.stop], outputs[: part.stop], weights[: part.stop], params.regularisation)
                yield from segments.attributions(image, targets, fit, part.stop / total, final=False)
        fit = _fit(present, outputs, weights, params.regularisation)
        yield from segments.attributions(image, targets, fit, 1.0, final=True)

    def cost(self, params: LimeParameters, shape: Sequence[int], targets: int) -> int:
        """Return the number of samples; targets cost nothing."""
        params.check_shape(shape)
        return params.samples


def lime_samples(segments: int, samples: int, seed: int) -> torch.Tensor:
    """Draw which segments are shown: bool, [samples, segments], each by a fair coin; all of them in the first."""
    present = torch.rand(samples, segments, generator=torch.Generator().manual_seed(seed)) < 0.5
    present[0] = True
    return present


def lime_weights(present: torch.Tensor, kernel_width: float) -> torch.Tensor:
    """Weigh samples [N, segments] by how close they are to the whole image: float64, [N]."""
    distances = 1 - present.double().mean(dim=1).sqrt()  # The cosine distance of zeros and ones from all ones.
    return torch.exp(-(distances**2) / (2 * kernel_width**2))


def _fit(present: torch.Tensor, outputs: torch.Tensor, weights: torch.Tensor, regularisation: float) -> torch.Tensor:
    """Return coefficients, float64 [T, segments]."""
    from sklearn.linear_model import Ridge  # not at the top: a second of every worker's start

    ridge = Ridge(alpha=regularisation, solver="svd")  # The other solvers need a regularisation above 0.
    ridge.fit(present.double().numpy(), outputs.numpy(), sample_weight=weights.numpy())
    return torch.from_numpy(ridge.coef_).reshape(outputs.shape[1], -1)
