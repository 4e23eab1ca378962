"""Grad-CAM++: feature maps weighted so that each part of a finding counts, however small it is."""

from __future__ import annotations

import torch

from ..errors import NotApplicable
from .class_activation import GradientClassActivation
from .feature_maps import UPSAMPLING

__all__ = ["GradCamPlusPlus"]


class GradCamPlusPlus(GradientClassActivation):
    """The positive part of a sum of feature maps, weighted by a weighted sum of their positive gradients."""

    name = "grad_cam_plus_plus"
    title = "Grad-CAM++"
    description = (
        "Where a layer's features speak for the target: a sum of feature maps, weighted by their positive gradients "
        "so that several findings, and small ones, count alike. In units of the output, the exponential of the "
        f"paper's class score left out, since it is one factor for the whole map. {UPSAMPLING}"
    )
    reference = (
        "Chattopadhay, Sarkar, Howlader, Balasubramanian: Grad-CAM++: Generalized Gradient-based Visual Explanations "
        "for Deep Convolutional Networks. WACV 2018. arXiv:1710.11063"
    )

    def combine(self, maps: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Return the paper's map, its weights (equation 19) divided by the square of the gradient that all share.

        Raises
        ------
        NotApplicable
            If the feature maps have negative values that bring the weights to a pole.
        """
        # With the score exp(output), the second and third derivatives are powers of the gradient g, so that
        # g^2 / (2 g^2 + g^3 sum) is 1 / (2 + g sum): nothing is divided by a gradient that may be tiny.
        divisor = 2 + maps.sum(dim=(1, 2), keepdim=True) * gradient
        positive = gradient > 0
        if bool((divisor[positive] <= 0).any()):
            raise NotApplicable(
                "Grad-CAM++ is derived for feature maps without negative values; choose a layer behind a ReLU"
            )
        weights = torch.where(positive, gradient / divisor, 0).sum(dim=(1, 2), keepdim=True)
        return (weights * maps).sum(dim=0).relu()
