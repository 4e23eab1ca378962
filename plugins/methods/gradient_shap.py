"""GradientSHAP: gradients at points drawn independently between background images and the X-ray."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from pydantic import Field

from .path_expectation import Draw, PathExpectation, PathParameters

__all__ = ["GradientShap", "GradientShapParameters"]


class GradientShapParameters(PathParameters):
    """How many points, how much noise, and which images the X-ray is compared with."""

    noise: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="Standard deviation of Gaussian noise on the X-ray as a fraction of the range of its values, 0 to "
        "10. With noise the shares sum to the change up to the mean output of noisy X-rays, not of the X-ray.",
    )


class GradientShap(PathExpectation[GradientShapParameters]):
    """Every point has a position and a background image of its own, drawn independently and uniformly."""

    name = "gradient_shap"
    title = "GradientSHAP"
    description = (
        "Each pixel's share of the change of the output from the mean of background images to the X-ray, in units of "
        "the output, estimated from gradients at points drawn at random between them. The shares sum to that change in "
        "expectation; the convergence delta says how far this estimate is off."
    )
    reference = (
        "Lundberg, Lee: A Unified Approach to Interpreting Model Predictions. NeurIPS 2017. arXiv:1705.07874; as in "
        "Captum, arXiv:2009.07896"
    )
    parameters = GradientShapParameters

    def draws(self, params: GradientShapParameters, image: torch.Tensor, sizes: Iterator[int]) -> Iterator[Draw]:
        """Draw the points one by one."""
        generator = torch.Generator().manual_seed(params.seed)
        deviation = params.noise * float(image.max() - image.min())
        for size in sizes:
            alphas, chosen, noise = [], [], []
            for _ in range(size):
                alphas.append(torch.rand(1, generator=generator))
                chosen.append(torch.randint(params.background_size, (1,), generator=generator))
                if deviation:
                    noise.append(deviation * torch.randn(1, 1, *image.shape[-2:], generator=generator))
            yield Draw(torch.cat(alphas), torch.cat(chosen), torch.cat(noise) if noise else None)
