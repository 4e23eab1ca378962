"""A convolution of few channels, whose gradient oneDNN is slow at."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

__all__ = ["FirstConvolution", "replace_first"]

_FEW = 4
"""Channels. With more of them patches take more memory, and oneDNN less time."""


class FirstConvolution(nn.Conv2d):
    """The same convolution, which finds the gradient of its input by a matrix product, and by adding up the patches.

    That is the same sum in another order. For X-rays of one channel and 64 filters of 7 x 7 it takes a quarter of the
    time (224 px on x86-64: 2.8 ms an image instead of 11.4, where the whole of a ResNet18 takes 33 in bfloat16).
    In bfloat16 patches are added up in float32. Its weights get no gradient.
    """

    @classmethod
    def of(cls, layer: nn.Conv2d) -> FirstConvolution:
        """Return one with the weights of another convolution."""
        made = cls.__new__(cls)
        made.__dict__ = layer.__dict__.copy()
        made._parameters = layer._parameters.copy()
        return made

    def _conv_forward(self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        convolved: torch.Tensor = _Convolution.apply(input, weight, bias, self.stride, self.padding, self.dilation)
        return convolved


def replace_first(network: fx.GraphModule, name: str) -> None:
    """Make the convolution of that name in a network a `FirstConvolution`, if it is of the kind that gains by it."""
    layer = network.get_submodule(name)
    if type(layer) is not nn.Conv2d or layer.in_channels > _FEW or layer.groups > 1:
        return
    if layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
        network.set_submodule(name, FirstConvolution.of(layer))


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch says no type
        image: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
    ) -> torch.Tensor:
        ctx.save_for_backward(weight)
        ctx.size, ctx.places = image.shape[-2:], {"stride": stride, "padding": padding, "dilation": dilation}
        return functional.conv2d(image, weight, bias, stride, padding, dilation)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        (weight,) = ctx.saved_tensors
        patches = grad.permute(0, 2, 3, 1).flatten(1, 2) @ weight.flatten(1)
        patches = patches.to(torch.promote_types(patches.dtype, torch.float32))
        image = functional.fold(patches.mT, ctx.size, weight.shape[-2:], **ctx.places).to(grad.dtype)
        return image, None, None, None, None, None
