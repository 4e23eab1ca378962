"""The gradient of a convolution of few channels is the one that PyTorch gives."""

from __future__ import annotations

import pytest
import torch
from radiolucent.handlers.lifting import lift, reduce_precision
from radiolucent.handlers.lifting.first_convolution import FirstConvolution
from torch import nn


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "size"),
    [
        (7, 2, 3, 1, (32, 32)),
        (3, 2, 0, 1, (33, 32)),
        (3, 1, 1, 2, (16, 20)),
        ((5, 3), (3, 2), (2, 0), (1, 2), (23, 31)),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_gradients_are_those_of_the_layer(
    channels: int, kernel: int, stride: int, padding: int, dilation: int, size: tuple[int, int], bias: bool
) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(channels, 8, kernel, stride, padding, dilation, bias=bias).double().requires_grad_(False)
    image = torch.rand(2, channels, *size, dtype=torch.float64, requires_grad=True)
    expected, found = layer(image), FirstConvolution.of(layer)(image)
    assert torch.equal(expected, found)
    weights = torch.rand_like(expected)
    for one, other in zip(
        torch.autograd.grad((expected * weights).sum(), image),
        torch.autograd.grad((found * weights).sum(), image),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_it_can_be_differentiated_twice() -> None:
    layer = FirstConvolution.of(nn.Conv2d(1, 4, 3, 2, 1).double().requires_grad_(False))
    image = torch.rand(1, 1, 7, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda one: layer(one).sin(), (image,))


def _network(first: nn.Conv2d) -> nn.Module:
    layers = [first, nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 3)]
    return nn.Sequential(*layers).eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("first", "replaced"),
    [
        (nn.Conv2d(1, 8, 3), True),
        (nn.Conv2d(1, 8, 3, padding="valid"), False),
        (nn.Conv2d(1, 8, 3, padding_mode="reflect", padding=0), False),
    ],
)
def test_the_first_layer_of_a_network_in_bfloat16_is_one_where_it_can(first: nn.Conv2d, replaced: bool) -> None:
    lifted = lift(torch.jit.trace(_network(first), torch.rand(2, 1, 12, 12)))
    layers = [one for one in reduce_precision(lifted).modules() if isinstance(one, nn.Conv2d)]
    assert [isinstance(one, FirstConvolution) for one in layers] == [replaced, False, False]
    assert not any(isinstance(one, FirstConvolution) for one in lifted.modules())
