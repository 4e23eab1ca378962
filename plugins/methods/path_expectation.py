"""What GradientSHAP and expected gradients share: the mean of gradients at random points between two images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import torch
from pydantic import Field

from ..contract import Attribution, Completeness, Job, Method, Need, Parameters
from ..observed import ObservedModel
from ..order import stages
from .backgrounds import BACKGROUNDS, Background
from .gradients import gradients
from .seeds import seed_field

__all__ = ["Draw", "PathExpectation", "PathParameters"]


class PathParameters(Parameters):
    """How many points, and which images the X-ray is compared with."""

    samples: int = Field(default=64, ge=2, le=10_000, description="Points at which the gradient is taken, 2 to 10000.")
    background: Background = Field(
        default=Background.UNIFORM_BRIGHTNESS,
        description=f"The images without information that the X-ray is compared with: {BACKGROUNDS}.",
    )
    background_size: int = Field(default=16, ge=1, le=128, description="How many of these images, 1 to 128.")
    internal_batch_size: int = Field(
        default=4, ge=1, le=256, description="Images that go through the network at once, 1 to 256; bounds the memory."
    )
    seed: int = seed_field("the points and of background images that are drawn")


@dataclass(frozen=True)
class Draw:
    """Where the gradient is taken next.

    Attributes
    ----------
    alphas
        Float32, [N]: how far from the background image (0) to the X-ray (1).
    chosen
        Int64, [N]: which background image.
    noise
        Float32, [N, 1, H, W], added to the X-ray in the network's input space; None for no noise.
    """

    alphas: torch.Tensor
    chosen: torch.Tensor
    noise: torch.Tensor | None = None


P = TypeVar("P", bound=PathParameters)


class PathExpectation(Method[P]):
    """The mean of gradient times difference over random points between background images and the X-ray.

    In expectation over the points it sums to the change of the output from the background's mean to the X-ray. Captum's
    GradientShap with the same points gives the same numbers; it shares no forward pass between targets and shows
    nothing before it ends, hence this one.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT})
    survives_folding = True
    signed = True
    completeness = Completeness.IN_EXPECTATION

    @abstractmethod
    def draws(self, params: P, image: torch.Tensor, sizes: Iterator[int]) -> Iterator[Draw]:
        """Yield as many points as each of the sizes says; these do not change which points come."""

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: P, job: Job
    ) -> Iterator[Attribution]:
        """Yield means of a growing number of points, then of all; targets share forward passes."""
        total = self.cost(params, image.shape[1:], len(targets))
        # Another seed than the points', or background images of noise would be made of the same numbers.
        background = params.background.images(
            params.background_size,
            image,
            model.spec,
            statistics=model.statistics,
            seed=(params.seed + 1) % 2**32,
        )
        with torch.no_grad():
            at_image = model(image)[0].double()
        done = 1
        job.progress(done, total)

        sums = torch.zeros(len(targets), *image.shape[1:], dtype=torch.float64)
        parts = list(stages(params.samples, params.internal_batch_size, partial=job.wants_partial))
        draws = self.draws(params, image, (part.stop - part.start for part, _ in parts))
        for (part, due), draw in zip(parts, draws, strict=True):
            starts = background[draw.chosen]
            differences = (image if draw.noise is None else image + draw.noise) - starts
            points = starts + draw.alphas[:, None, None, None] * differences
            for position, gradient in enumerate(gradients(model, points, targets)):
                sums[position] += (gradient.double() * differences).sum(dim=0)
                done += len(points) * (2 if position else 3)
                job.progress(done, total)
                job.check()
            if due:
                # No delta: it would be that of this part, not of the estimate which the final map is.
                for target, values in zip(targets, (sums / part.stop).float(), strict=True):
                    yield Attribution(target, values, done / total, final=False)

        at_background = torch.zeros_like(at_image)
        for images in torch.split(background, params.internal_batch_size):
            with torch.no_grad():
                at_background += model(images).double().sum(dim=0) / len(background)
            done += len(images)
            job.progress(done, total)
        for target, values in zip(targets, sums / params.samples, strict=True):
            delta = float(values.sum() - (at_image[target] - at_background[target]))
            yield Attribution(target, values.float(), fraction=1.0, final=True, convergence_delta=delta)

    def cost(self, params: P, shape: Sequence[int], targets: int) -> int:
        """Return the cost of a forward pass per point and a backward pass per target, of X-ray and background."""
        return 1 + params.samples * (1 + 2 * targets) + params.background_size
