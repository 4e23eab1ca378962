"""ROAD: deletion that leaves no trace of what was deleted."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import torch
from pydantic import Field

from ..observed import ObservedModel
from .imputation import impute
from .removal import Removal, RemovalMeasure, RemovalParameters

__all__ = ["Road", "RoadParameters"]


class RoadParameters(RemovalParameters):
    """What is removed as one, and how much noise lies over the guess."""

    steps: int = Field(
        default=5, ge=2, le=200, description="Steps from the image to nothing of it, 2 to 200; one pass less each."
    )
    region: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="Side of the squares that are removed as one, pixels of the network's input, 1 to 1024; the paper "
        "removes single pixels.",
    )
    noise: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Standard deviation of the noise on guessed pixels, as brightness, 0 to 1.",
    )

    def side(self, shape: Sequence[int]) -> int:
        """Return the side of the squares, at most half of the image."""
        return max(1, min(self.region, min(int(shape[-2]), int(shape[-1])) // 2))


class Road(RemovalMeasure[RoadParameters]):
    """Deletion by noisy linear imputation, against random orders of the same network, image and target."""

    name = "road"
    title = "ROAD"
    description = (
        "As deletion, the most relevant first, but removed pixels are guessed from those around them, so that the "
        "shape of what was removed does not give it away: above_random = (random mean of the output - its mean along "
        "the map) / scale."
    )
    reference = (
        "Rong, Leemann, Borisov, Kasneci, Kasneci: A Consistent and Efficient Evaluation Strategy for Attribution "
        "Methods. ICML 2022. arXiv:2202.00449"
    )
    variant = (
        "radiolucent; the linear system of the paper, as quantus.functions.perturb_func.noisy_linear_imputation has "
        "it, solved by scipy's conjugate gradients, one field of noise for all steps. Most relevant first (MoRF). The "
        "output of this one image instead of the accuracy over a set, which quantus.ROAD takes by argmax and so for "
        "one label alone. Where all is gone stands the image's mean, which is left when no pixel is known."
    )
    parameters = RoadParameters

    def removal(self, model: ObservedModel, image: torch.Tensor, params: RoadParameters) -> Removal:
        """Guess what is gone from what is left."""
        generator = torch.Generator().manual_seed(params.seed)
        noise = torch.randn(1, *image.shape[-2:], generator=generator) * (params.noise / model.spec.std)
        planes = image[0].double().numpy()
        # The channels of a grey image are alike, and guessed once.
        alike = bool((planes == planes[:1]).all())
        distinct = planes[:1] if alike else planes

        mean = np.full_like(distinct, planes.mean())

        def remove(hidden: torch.Tensor) -> torch.Tensor:
            guessed = np.stack([mean if one.all() else impute(distinct, one) for one in hidden.numpy()])
            images = torch.from_numpy(guessed).float().expand(-1, *image.shape[1:])
            return torch.where(hidden[:, None], images + noise, image)

        return Removal(remove, torch.full_like(image, float(image.double().mean())))

    def kind(self, params: RoadParameters) -> tuple[Hashable, ...]:
        """Name the noise."""
        return "road", params.noise
