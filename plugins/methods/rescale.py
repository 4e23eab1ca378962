"""DeepLIFT's Rescale rule on a lifted network, with a rule for poolings that overlap."""

from __future__ import annotations

from typing import Any

import torch
from captum.attr import DeepLift
from torch import nn
from torch.nn import functional

from ...handlers.lifting import ACTIVATIONS

__all__ = ["RescaleDeepLift"]


class RescaleDeepLift(DeepLift):
    """Captum's DeepLIFT, which multiplies each gradient by the change of an activation over the change of its input.

    Captum has the rule for seven element-wise activations, and its rule for max pooling loses contributions where
    windows overlap: `max_unpool2d` keeps one of the values that land on a place (as of Captum 0.9.0). Here they are
    added, and every element-wise activation of a lifted network is covered.
    """

    def _is_non_linear(self, module: nn.Module) -> bool:
        return isinstance(module, (*ACTIVATIONS, nn.MaxPool2d))

    def _backward_hook(self, module: Any, grad_input: Any, grad_output: Any) -> Any:  # noqa: ANN401 - Captum's
        inputs, outputs = module.input, module.output
        del module.input, module.output
        # The first half belongs to the images, the second to their baselines; what is between them holds for both.
        difference = torch.sub(*inputs.chunk(2))
        if isinstance(module, nn.MaxPool2d):
            multiplied = _halves(_pooled_contribution(module, inputs, outputs, grad_output)) / difference
        else:
            multiplied = _halves(grad_output) * (torch.sub(*outputs.chunk(2)) / difference)
        return torch.where(difference.abs() < self.eps, _halves(grad_input), multiplied).flatten(0, 1)


def _halves(both: torch.Tensor) -> torch.Tensor:
    """Tell images [2 * N, ...] from baselines: [2, N, ...]."""
    return both.view(2, -1, *both.shape[1:])


def _pooled_contribution(
    layer: nn.MaxPool2d, inputs: torch.Tensor, outputs: torch.Tensor, grad_output: torch.Tensor
) -> torch.Tensor:
    """Share the change of every window among the places of its maximum in the image and in the baseline.

    What the image's maximum rises over the baseline's goes to the place of the former, what it falls to that of the
    latter (the DeepLIFT authors' rule, as in Captum), so that both together are the whole change.
    """
    size = {name: getattr(layer, name) for name in ("kernel_size", "stride", "padding", "dilation", "ceil_mode")}
    _, places = functional.max_pool2d(inputs, return_indices=True, **size)
    image, baseline = outputs.chunk(2)
    larger = torch.maximum(image, baseline)
    change = torch.cat([larger - baseline, image - larger])
    shared = torch.zeros_like(inputs).flatten(2)
    # Windows overlap: several changes may go to one place.
    shared.scatter_add_(2, places.flatten(2), (grad_output * change).flatten(2))
    both = torch.add(*shared.view_as(inputs).chunk(2))
    return torch.cat([both, both])
