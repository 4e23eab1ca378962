"""SmoothGrad: the mean of the maps of noisy images."""

from __future__ import annotations

import torch

from .noise_tunnel import NoiseTunnel, NoiseTunnelParameters

__all__ = ["SmoothGrad"]


class SmoothGrad(NoiseTunnel[NoiseTunnelParameters]):
    """The mean, with its sign."""

    name = "smooth_grad"
    title = "SmoothGrad"
    description = (
        "The mean of the maps of noisy copies of the X-ray: what a gradient says on average around it, with less of "
        "its speckle. Of the gradient, unless another base is chosen, and with its sign, as in the paper: negative "
        "where a brighter pixel lowers the output. Magnitudes are averaged with the base `saliency`."
    )
    reference = (
        "Smilkov, Thorat, Kim, Viegas, Wattenberg: SmoothGrad: Removing Noise by Adding Noise. 2017. arXiv:1706.03825"
    )
    parameters = NoiseTunnelParameters
    signed = True

    def combine(self, mean: torch.Tensor, square: torch.Tensor, samples: int, of: int) -> torch.Tensor:
        """Return the mean."""
        return mean
