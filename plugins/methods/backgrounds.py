"""Sets of images that an X-ray is compared with: synthetic or from statistics, never anyone's films."""

from __future__ import annotations

from enum import Enum

import torch

from ...handlers.brightness import BrightnessStatistics
from ...handlers.card import InputSpec
from ..errors import NotApplicable
from .baselines import training_grid, uniform_noise

__all__ = ["BACKGROUNDS", "Background"]

BACKGROUNDS = (
    "uniform_brightness, even images from black to white; uniform_noise, a brightness of its own for every pixel; or "
    "training_statistics, images drawn from mean and spread of the network's training films at 16 x 16 pixels, where "
    "its card has them"
)
"""The choices in words, for descriptions."""


class Background(str, Enum):
    """A distribution of images without the evidence, as brightness, 0 (black) to 1 (white)."""

    UNIFORM_BRIGHTNESS = "uniform_brightness"
    """Uniform images at the middles of as many equal parts of [0, 1] as there are images."""
    UNIFORM_NOISE = "uniform_noise"
    """Every pixel a brightness of its own, uniform in [0, 1]."""
    TRAINING_STATISTICS = "training_statistics"
    """Each cell of the card's grid normally distributed with its mean and spread, independently, clipped to [0, 1]."""

    def images(
        self,
        count: int,
        image: torch.Tensor,
        spec: InputSpec,
        *,
        statistics: BrightnessStatistics | None = None,
        seed: int = 0,
    ) -> torch.Tensor:
        """Return the images in the network's input space.

        Parameters
        ----------
        count : int
            How many, at least 1.
        image : torch.Tensor
            The explained image, [1, C, H, W].
        spec : InputSpec
            What the network expects to see: the normalisation.
        statistics : BrightnessStatistics, optional
            Of the network's training films; for `TRAINING_STATISTICS`.
        seed : int
            Of what is drawn; the global random state is neither read nor changed.

        Returns
        -------
        torch.Tensor
            Float32, [count, C, H, W].

        Raises
        ------
        NotApplicable
            If the set needs statistics and there are none.
        """
        height, width = image.shape[-2:]
        generator = torch.Generator().manual_seed(seed)
        if self is Background.UNIFORM_NOISE:
            planes = uniform_noise(count, height, width, generator)
        elif self is Background.TRAINING_STATISTICS:
            if statistics is None:
                works = ", ".join(one.value for one in Background if one is not Background.TRAINING_STATISTICS)
                raise NotApplicable(
                    f"this network's card has no statistics of its training films, so there is no background "
                    f"training_statistics; these work: {works}"
                )
            mean, std = torch.tensor(statistics.mean), torch.tensor(statistics.std)
            drawn = torch.stack([torch.randn(mean.shape, generator=generator) for _ in range(count)])
            planes = training_grid((mean + std * drawn).clamp(0, 1), height, width)
        else:
            levels = (torch.arange(count, dtype=torch.float32) + 0.5) / count
            planes = levels[:, None, None, None].expand(count, 1, height, width)
        return ((planes - spec.mean) / spec.std).expand(count, *image.shape[1:]).clone()
