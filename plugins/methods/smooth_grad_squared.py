"""SmoothGrad squared: the mean of the squared maps of noisy images."""

from __future__ import annotations

import torch

from .noise_tunnel import NoiseTunnel, NoiseTunnelParameters

__all__ = ["SmoothGradSquared"]


class SmoothGradSquared(NoiseTunnel[NoiseTunnelParameters]):
    """The mean of the squares: large where the maps are large, whichever their sign."""

    name = "smooth_grad_squared"
    title = "SmoothGrad squared"
    description = (
        "The mean of the squared maps of noisy copies of the X-ray: where a gradient is large around it, whichever its "
        "sign. Of the gradient, unless another base is chosen. It is the variance (VarGrad) and the square of the mean "
        "(SmoothGrad) together."
    )
    reference = (
        "Hooker, Erhan, Kindermans, Kim: A Benchmark for Interpretability Methods in Deep Neural Networks. NeurIPS "
        "2019. arXiv:1806.10758"
    )
    parameters = NoiseTunnelParameters
    signed = False

    def combine(self, mean: torch.Tensor, square: torch.Tensor, samples: int, of: int) -> torch.Tensor:
        """Return the mean of the squares."""
        return square
