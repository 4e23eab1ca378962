"""VarGrad: the variance of the maps of noisy images."""

from __future__ import annotations

import torch

from .noise_tunnel import NoiseTunnel, NoiseTunnelParameters

__all__ = ["VarGrad"]


class VarGrad(NoiseTunnel[NoiseTunnelParameters]):
    """The variance over the noisy images, divided by their number, as Captum's."""

    name = "var_grad"
    title = "VarGrad"
    description = (
        "The variance of the maps of noisy copies of the X-ray: where a gradient changes most around it. Of the "
        "gradient with its sign, unless another base is chosen. Zero where the network is linear, however strong."
    )
    reference = (
        "Adebayo, Gilmer, Goodfellow, Kim: Local Explanation Methods for Deep Neural Networks Lack Sensitivity to "
        "Parameter Values. ICLR Workshop 2018. arXiv:1810.03307"
    )
    parameters = NoiseTunnelParameters
    signed = False
    fewest = 2

    def combine(self, mean: torch.Tensor, square: torch.Tensor, samples: int, of: int) -> torch.Tensor:
        """Return the variance; that of a part is corrected for being of fewer, whose variance is less on average."""
        variance = (square - mean.square()).clamp(min=0)
        return variance * ((of - 1) * samples / (of * (samples - 1)))
