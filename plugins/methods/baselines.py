"""What an image is compared with: chosen as brightness, before normalisation."""

from __future__ import annotations

from enum import Enum
from functools import partial
from math import ceil

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional

from ...handlers.brightness import BrightnessStatistics
from ...handlers.card import InputSpec
from ..errors import NotApplicable

__all__ = ["BASELINES", "BLUR", "Baseline", "training_grid", "uniform_noise"]

BLUR = 0.05
"""Standard deviation of the blur, as a fraction of the image's shorter side. Fong and Vedaldi (arXiv:1704.03296) take
10 pixels of 224."""

BASELINES = (
    "black; mid_grey, brightness 0.5; mean, the explained image's mean brightness; blurred, the explained image behind "
    "a Gaussian blur of 5 % of its shorter side; training_mean, the mean of the network's training films at 16 x 16 "
    "pixels, where its card has it; or uniform_noise, which the seed decides"
)
"""The choices in words, for descriptions."""


class Baseline(str, Enum):
    """An image without the evidence. Its brightness is that of the X-ray as shown, 0 (black) to 1 (white)."""

    BLACK = "black"
    """Brightness 0, as the padding around the X-ray."""
    MID_GREY = "mid_grey"
    """Brightness 0.5."""
    MEAN = "mean"
    """The mean brightness of the explained image, padding included."""
    BLURRED = "blurred"
    """The explained image, blurred by `BLUR` of its shorter side; what lies outside counts as nothing, not as black."""
    TRAINING_MEAN = "training_mean"
    """The mean of the training films, as coarse as the model card has it."""
    UNIFORM_NOISE = "uniform_noise"
    """Every pixel a brightness of its own, uniform in [0, 1]."""

    def like(
        self,
        image: torch.Tensor,
        spec: InputSpec,
        *,
        statistics: BrightnessStatistics | None = None,
        seed: int = 0,
    ) -> torch.Tensor:
        """Return the baseline in the network's input space.

        Parameters
        ----------
        image : torch.Tensor
            The explained image, [1, C, H, W].
        spec : InputSpec
            What the network expects to see: the normalisation.
        statistics : BrightnessStatistics, optional
            Of the network's training films; for `TRAINING_MEAN`.
        seed : int
            Of `UNIFORM_NOISE`; the global random state is neither read nor changed.

        Returns
        -------
        torch.Tensor
            Float32, of the image's shape.

        Raises
        ------
        NotApplicable
            If the baseline needs statistics and there are none.
        """
        # Normalisation is affine: means and blurs of the normalised image are those of the brightness, normalised.
        if self is Baseline.MEAN:
            return torch.full_like(image, float(image.double().mean()))
        if self is Baseline.BLURRED:
            return _blurred(image)
        height, width = image.shape[-2:]
        if self is Baseline.TRAINING_MEAN:
            if statistics is None:
                works = ", ".join(one.value for one in Baseline if one is not Baseline.TRAINING_MEAN)
                raise NotApplicable(
                    f"this network's card has no statistics of its training films, so there is no baseline "
                    f"training_mean; these work: {works}"
                )
            plane = training_grid(torch.tensor([statistics.mean]), height, width)
        elif self is Baseline.UNIFORM_NOISE:
            plane = uniform_noise(1, height, width, torch.Generator().manual_seed(seed))
        else:
            plane = torch.full((1, 1, height, width), 0.0 if self is Baseline.BLACK else 0.5)
        return ((plane - spec.mean) / spec.std).expand_as(image).clone()


def training_grid(grids: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Enlarge grids [N, 16, 16] of a card's statistics to planes [N, 1, H, W], without steps between the cells."""
    return functional.interpolate(grids[:, None], size=(height, width), mode="bilinear", align_corners=False)


def uniform_noise(count: int, height: int, width: int, generator: torch.Generator) -> torch.Tensor:
    """Draw planes [N, 1, H, W] of brightness, one after the other: a larger count begins with the same planes."""
    return torch.stack([torch.rand(1, height, width, generator=generator) for _ in range(count)])


def _blurred(image: torch.Tensor) -> torch.Tensor:
    sigma = BLUR * min(image.shape[-2:])
    blur = partial(gaussian_filter, sigma=sigma, radius=max(1, ceil(4 * sigma)), mode="constant", axes=(-2, -1))
    planes = image.detach().double().numpy()
    return torch.from_numpy(blur(planes) / blur(np.ones_like(planes[:1, :1]))).to(image.dtype)
