"""The noise tunnel around integrated gradients, as it is usually run: the mean of the squares of ten maps."""

from __future__ import annotations

import torch
from pydantic import Field

from .noise_tunnel import NoiseParameters, NoiseTunnel

__all__ = ["NoiseTunnelIntegratedGradients", "NoiseTunnelIntegratedGradientsParameters"]


class NoiseTunnelIntegratedGradientsParameters(NoiseParameters):
    """How much noise, how often, and how finely the gradient is integrated."""

    samples: int = Field(
        default=10, ge=2, le=10_000, description="Noisy images, 2 to 10000; each takes all the nodes of a quadrature."
    )


class NoiseTunnelIntegratedGradients(NoiseTunnel[NoiseTunnelIntegratedGradientsParameters]):
    """The same as SmoothGrad squared with the base `integrated_gradients`, under the name by which it is known."""

    name = "noise_tunnel_integrated_gradients"
    title = "Integrated gradients in a noise tunnel"
    description = (
        "The mean of the squared integrated gradients of noisy copies of the X-ray: where pixels have a large share in "
        "the output around it, whichever its sign. The same as SmoothGrad squared of integrated gradients."
    )
    reference = (
        "Smilkov et al. 2017, arXiv:1706.03825; Sundararajan et al. 2017, arXiv:1703.01365; together as in Kokhlikyan "
        "et al.: Captum: A Unified and Generic Model Interpretability Library for PyTorch. 2020. arXiv:2009.07896"
    )
    parameters = NoiseTunnelIntegratedGradientsParameters
    signed = False

    def combine(self, mean: torch.Tensor, square: torch.Tensor, samples: int, of: int) -> torch.Tensor:
        """Return the mean of the squares."""
        return square
