"""DeepLiftSHAP: DeepLIFT averaged over background images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from pydantic import Field

from ..contract import Attribution, Completeness, Job, Method, Need, Parameters
from ..observed import ObservedModel
from ..order import low_discrepancy_order, stages
from .backgrounds import BACKGROUNDS, Background
from .deep_lift import deep_lift_shares, refuse_what_is_not_covered
from .seeds import seed_field

__all__ = ["DeepLiftShap", "DeepLiftShapParameters"]


class DeepLiftShapParameters(Parameters):
    """Which images the X-ray is compared with."""

    background: Background = Field(
        default=Background.UNIFORM_BRIGHTNESS,
        description=f"The images without information that the X-ray is compared with: {BACKGROUNDS}.",
    )
    background_size: int = Field(default=16, ge=1, le=128, description="How many of these images, 1 to 128.")
    internal_batch_size: int = Field(
        default=2,
        ge=1,
        le=128,
        description="Background images that go through the network at once, each with the X-ray, 1 to 128; bounds the "
        "memory.",
    )
    seed: int = seed_field("background images that are drawn")


class DeepLiftShap(Method[DeepLiftShapParameters]):
    """The mean of DeepLIFT's shares over a set of background images, each of which is used once.

    Captum's DeepLiftShap does the same in one piece; here the background images are visited in a low-discrepancy order,
    and those seen so far give a partial map.
    """

    name = "deep_lift_shap"
    title = "DeepLiftSHAP"
    description = (
        "Each pixel's share of the change of the output from the mean of background images to the X-ray, in units of "
        "the output: DeepLIFT averaged over the background images. For the images of the set the shares sum to that "
        "change, up to the convergence delta; for the distribution they stand for, in expectation."
    )
    reference = (
        "Lundberg, Lee: A Unified Approach to Interpreting Model Predictions. NeurIPS 2017. arXiv:1705.07874; with "
        "DeepLIFT's Rescale rule, arXiv:1704.02685"
    )
    parameters = DeepLiftShapParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT, Need.MODULES})
    signed = True
    completeness = Completeness.IN_EXPECTATION

    def check_network(self, network: torch.nn.Module) -> None:
        """Refuse a network with parts that the Rescale rule does not cover, by their names."""
        refuse_what_is_not_covered(network)

    def explain(
        self,
        model: ObservedModel,
        image: torch.Tensor,
        targets: Sequence[int],
        params: DeepLiftShapParameters,
        job: Job,
    ) -> Iterator[Attribution]:
        """Yield means over a growing number of background images, then over all."""
        total = self.cost(params, image.shape[1:], len(targets))
        count = params.background_size
        backgrounds = params.background.images(count, image, model.spec, statistics=model.statistics, seed=params.seed)[
            torch.from_numpy(low_discrepancy_order(count)[:, 0])
        ]
        with torch.no_grad():
            at_image = model(image)[0].double()
        done = 1
        job.progress(done, total)

        sums = torch.zeros(len(targets), *image.shape[1:], dtype=torch.float64)
        at_background = torch.zeros_like(at_image)
        for part, due in stages(count, params.internal_batch_size, partial=job.wants_partial):
            batch = backgrounds[part]
            with torch.no_grad():
                at_background += model(batch).double().sum(dim=0)
            done += len(batch)
            for position, target in enumerate(targets):
                shares = deep_lift_shares(model, image.expand_as(batch), batch, target)
                sums[position] += shares.double().sum(dim=0)
                done += 6 * len(batch)
                job.progress(done, total)
            if due:
                for target, values in zip(targets, (sums / part.stop).float(), strict=True):
                    yield Attribution(target, values, done / total, final=False)
        for position, target in enumerate(targets):
            values = sums[position] / count
            delta = values.sum() - (at_image[target] - at_background[target] / count)
            yield Attribution(target, values.float(), fraction=1.0, final=True, convergence_delta=float(delta))

    def cost(self, params: DeepLiftShapParameters, shape: Sequence[int], targets: int) -> int:
        """Return the cost per background image of its output, and of a pass forth and back of both per target."""
        return 1 + params.background_size * (1 + 6 * targets)
