"""Guided backprop and deconvolution are themselves, and not the plain gradient, on a traced copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from radiolucent.handlers import InputSpec
from radiolucent.plugins import NotApplicable
from torch import nn

Explain = Callable[..., Any]
Traced = Callable[..., nn.Module]


class GuidedReLU(torch.autograd.Function):
    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, value: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(value)
        return value.clamp(min=0)

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> torch.Tensor:
        (value,) = context.saved_tensors
        return gradient.clamp(min=0) * (value > 0)


class DeconvolutionReLU(torch.autograd.Function):
    @staticmethod
    def forward(context: torch.autograd.function.FunctionCtx, value: torch.Tensor) -> torch.Tensor:
        return value.clamp(min=0)

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> torch.Tensor:
        return gradient.clamp(min=0)


RULES = {"guided_backprop": GuidedReLU, "deconvolution": DeconvolutionReLU}


class Net(nn.Module):
    """Functional, re-used and in-place activations: all that hooks on a stock network miss."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, 3)
        self.relu: Callable[[torch.Tensor], torch.Tensor] = nn.ReLU(inplace=True)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        first = nn.functional.max_pool2d(self.relu(self.first(batch)), 3, 2)
        second = self.relu(self.second(first)) + first
        return self.head(nn.functional.relu(second).mean((2, 3)))


def rule_applied(
    network: Net, image: torch.Tensor, target: int, rule: type[torch.autograd.Function], monkeypatch: pytest.MonkeyPatch
) -> torch.Tensor:
    """The same network with another ReLU put in its place."""
    network.relu = rule.apply
    monkeypatch.setattr(nn.functional, "relu", rule.apply)
    point = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(point)[0, target], point)
    return gradient[0]


@pytest.mark.parametrize("method", RULES)
def test_the_map_is_that_of_a_network_with_another_relu(
    explain: Explain, traced: Traced, image: torch.Tensor, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    network = Net().eval()
    ours = explain(method, image, (0, 2), on=traced(network))
    plain = explain("saliency", image, (2,), on=traced(network)).final(2).values
    del network._modules["relu"]
    expected = rule_applied(network, image, 2, RULES[method], monkeypatch)
    torch.testing.assert_close(ours.final(2).values, expected)
    assert (expected.abs() - plain).abs().max() > 0.01 * plain.max()


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("name", ["resnet18", "inception_v3", "densenet121"])
def test_stock_networks_do_not_fall_back_to_the_plain_gradient(
    explain: Explain, traced: Traced, name: str, method: str
) -> None:
    torch.manual_seed(2)
    network = traced(timm.create_model(name, in_chans=1, num_classes=2), (1, 96, 96))
    image = torch.rand(1, 1, 96, 96)
    spec = InputSpec(size=96)
    maps = [explain(one, image, (1,), on=network, spec=spec).final(1).values.abs() for one in (method, "saliency")]
    correlation = torch.corrcoef(torch.stack([one.flatten() for one in maps]))[0, 1]
    assert correlation < 0.999


@pytest.mark.parametrize("method", RULES)
def test_networks_of_other_activations_are_refused_by_name(
    explain: Explain, traced: Traced, image: torch.Tensor, method: str
) -> None:
    silu = traced(nn.Sequential(nn.Conv2d(1, 2, 3), nn.SiLU(), nn.Flatten(), nn.Linear(2 * 38 * 50, 2)))
    with pytest.raises(NotApplicable, match="this network has SiLU"):
        explain(method, image, (0,), on=silu)
    linear = traced(nn.Sequential(nn.Flatten(), nn.Linear(40 * 52, 2)))
    with pytest.raises(NotApplicable, match="has none"):
        explain(method, image, (0,), on=linear)


OTHERWISE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "clamp": lambda value: value.clamp(min=0),
    "clamp_min": lambda value: value.clamp_min(0),
    "maximum": lambda value: torch.maximum(value, torch.zeros(1)),
    "threshold": lambda value: nn.functional.threshold(value, 0.0, 0.0),
    "gt": lambda value: value * (value > 0),
    "abs": lambda value: (value + value.abs()) / 2,
}


@pytest.mark.parametrize("method", [*RULES, "guided_grad_cam"])
@pytest.mark.parametrize("written", OTHERWISE)
def test_a_relu_written_otherwise_is_refused_rather_than_passed_by(
    explain: Explain, traced: Traced, image: torch.Tensor, method: str, written: str
) -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.head = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 2)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return self.head(OTHERWISE[written](self.second(torch.relu(self.first(batch)))).mean((2, 3)))

    with pytest.raises(NotApplicable, match=f"aten::{written}"):
        explain(method, image, (0,), on=traced(Mixed()))


@pytest.mark.parametrize("method", RULES)
def test_no_hook_stays_behind(explain: Explain, image: torch.Tensor, method: str) -> None:
    result = explain(method, image, (0, 1))
    for layer in result.model.modules():
        assert not layer._forward_hooks
        assert not layer._forward_pre_hooks
        assert not layer._backward_hooks
