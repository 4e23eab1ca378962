"""LayerCAM: feature maps weighted by the positive gradient, place by place."""

from __future__ import annotations

import torch

from .class_activation import GradientClassActivation
from .feature_maps import UPSAMPLING

__all__ = ["LayerCam"]


class LayerCam(GradientClassActivation):
    """The positive part of the sum of the feature maps, each cell weighted by the positive part of its gradient."""

    name = "layer_cam"
    title = "LayerCAM"
    description = (
        "Where a layer's features speak for the target: each cell of each feature map times the positive part of its "
        "own gradient, summed, in units of the output. Made for earlier, finer layers too: name one with layer. "
        f"{UPSAMPLING}"
    )
    reference = (
        "Jiang, Zhang, Hou, Cheng, Wei: LayerCAM: Exploring Hierarchical Class Activation Maps for Localization. "
        "IEEE Transactions on Image Processing 2021. doi:10.1109/TIP.2021.3089943"
    )

    def combine(self, maps: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Return equation 7 of the paper: the positive part of the sum of the positive gradients times the maps."""
        return (gradient.relu() * maps).sum(dim=0).relu()
