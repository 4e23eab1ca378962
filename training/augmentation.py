"""Random changes of training films that leave their labels true."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torchvision.transforms import v2

__all__ = ["Augment", "Augmentation"]

_ERASED = (0.05, 0.17)


class Augmentation(BaseModel):
    """What is changed at random, each film by itself. Black comes in at the edges, as in the padding."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: bool = False
    """Mirror left and right, every second time. Not for patients: the heart has a side."""
    rotation: float = Field(default=0, ge=0, le=45)
    """Largest rotation to either side, degrees."""
    shift: float = Field(default=0, ge=0, le=0.5)
    """Largest shift as a fraction of the side."""
    scale: float = Field(default=0, ge=0, lt=1)
    """Largest relative change of size."""
    gain: float = Field(default=0, ge=0, lt=1)
    """Largest relative change of brightness."""
    contrast: float = Field(default=0, ge=0, lt=1)
    """Largest relative change of contrast."""
    erase: int = Field(default=0, ge=0, le=16)
    """Largest number of uniform squares put over the film, each 5 to 17 % of its side (arXiv:1708.04896). A network
    that has never seen a square takes one for a finding, and its occlusion maps show squares instead of lesions."""


class Augment:
    """Changes films as `Augmentation` says, with torchvision's transforms where it has them.

    Parameters
    ----------
    settings : Augmentation
        What is changed.
    """

    def __init__(self, settings: Augmentation) -> None:
        self._erase = settings.erase
        steps: list[torch.nn.Module] = []
        if settings.flip:
            steps.append(v2.RandomHorizontalFlip())
        if settings.rotation or settings.shift or settings.scale:
            steps.append(
                v2.RandomAffine(
                    settings.rotation,
                    translate=(settings.shift, settings.shift),
                    scale=(1 - settings.scale, 1 + settings.scale),
                    interpolation=v2.InterpolationMode.BILINEAR,
                )
            )
        if settings.gain or settings.contrast:
            steps.append(v2.ColorJitter(brightness=settings.gain, contrast=settings.contrast))
        self._change = v2.Compose(steps) if steps else None

    def __call__(self, images: torch.Tensor, seed: tuple[int, ...]) -> torch.Tensor:
        """Change films.

        Parameters
        ----------
        images : Tensor, shape [films, 1, size, size]
            Brightness in [0, 1]; changed in place.
        seed : tuple of int
            Alone decides what happens; torch's own random state stays as it is.

        Returns
        -------
        Tensor
            Of the same shape, in [0, 1].
        """
        rng = np.random.default_rng(seed)
        if self._change is not None:
            with torch.random.fork_rng(devices=()):
                torch.manual_seed(int(rng.integers(2**63)))
                images = torch.stack([self._change(image) for image in images]).clamp_(0, 1)
        for image in images:
            self._put_squares(image, rng)
        return images

    def _put_squares(self, image: torch.Tensor, rng: np.random.Generator) -> None:
        # torchvision's RandomErasing puts one rectangle, always of the same shade.
        size = image.shape[-1]
        for _ in range(rng.integers(0, self._erase + 1)):
            side = int(rng.uniform(*_ERASED) * size)
            row, column = (int(v) for v in rng.integers(0, size - side, size=2))
            # Black half of the time: that is what most explanations hide things behind.
            image[:, row : row + side, column : column + side] = float(rng.choice((0.0, rng.uniform(0, 1))))
