"""What an image is compared with: chosen as a brightness, before normalisation."""

from __future__ import annotations

from enum import Enum

import torch

from ...handlers.card import InputSpec

__all__ = ["Baseline"]


class Baseline(str, Enum):
    """A uniform image. Its brightness is that of the X-ray as shown, 0 (black) to 1 (white)."""

    BLACK = "black"
    """Brightness 0, as the padding around the X-ray."""
    MID_GREY = "mid_grey"
    """Brightness 0.5."""
    MEAN = "mean"
    """The mean brightness of the explained image, padding included."""

    def like(self, image: torch.Tensor, spec: InputSpec) -> torch.Tensor:
        """Return the baseline in the network's input space.

        Parameters
        ----------
        image : torch.Tensor
            The explained image, [1, C, H, W].
        spec : InputSpec
            What the network expects to see: the normalisation.

        Returns
        -------
        torch.Tensor
            Float32, of the image's shape.
        """
        if self is Baseline.MEAN:
            # Normalisation is affine: the mean of the normalised image is the mean brightness, normalised.
            return torch.full_like(image, float(image.double().mean()))
        brightness = 0.0 if self is Baseline.BLACK else 0.5
        return torch.full_like(image, (brightness - spec.mean) / spec.std)
