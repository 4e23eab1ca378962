"""The built-in methods on networks whose explanation is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from radiolucent.handlers import InputSpec
from torch import nn

Explain = Callable[..., Any]
PLAIN = InputSpec(size=16)


@pytest.fixture
def linear(traced: Callable[..., nn.Module]) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(3)
    layer = nn.Linear(256, 2)
    return traced(nn.Sequential(nn.Flatten(), layer), (1, 16, 16)), layer.weight.detach().reshape(2, 1, 16, 16)


@pytest.fixture
def small() -> torch.Tensor:
    return torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(4))


def test_saliency_of_a_linear_model_is_the_magnitude_of_its_weights(
    explain: Explain, linear: tuple[nn.Module, torch.Tensor], small: torch.Tensor
) -> None:
    network, weight = linear
    torch.testing.assert_close(
        explain("saliency", small, (1,), on=network, spec=PLAIN).final(1).values, weight[1].abs()
    )


def test_integrated_gradients_of_a_linear_model_are_weight_times_difference(
    explain: Explain, linear: tuple[nn.Module, torch.Tensor], small: torch.Tensor
) -> None:
    network, weight = linear
    result = explain("integrated_gradients", small, (0,), on=network, spec=PLAIN, baseline="mid_grey", steps=3)
    torch.testing.assert_close(result.final(0).values, weight[0] * (small[0] - 0.5))
    assert result.final(0).convergence_delta == pytest.approx(0, abs=1e-5)


def test_occlusion_of_single_pixels_of_a_linear_model_is_weight_times_difference(
    explain: Explain, linear: tuple[nn.Module, torch.Tensor], small: torch.Tensor
) -> None:
    network, weight = linear
    result = explain("occlusion", small, (0,), on=network, spec=PLAIN, window=1, stride=1, baseline="mid_grey")
    torch.testing.assert_close(result.final(0).values, weight[0] * (small[0] - 0.5), rtol=0, atol=2e-6)


def test_integrated_gradients_of_two_relu_layers_follow_their_kinks(
    explain: Explain, traced: Callable[..., nn.Module]
) -> None:
    # f(x) = relu(a + b - 1) of two pixels, from black: on the way t*(a, b) the gradient is on from t = 1 / (a + b).
    class Kink(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            pixels = torch.relu(batch.flatten(1))
            return torch.relu(pixels.sum(dim=1, keepdim=True) - 1)

    image = torch.tensor([[[[0.9, 0.6]]]])
    exact = torch.tensor([[[0.9, 0.6]]]) * (1 - 1 / 1.5)
    network = traced(Kink(), (1, 1, 2))
    result = explain("integrated_gradients", image, (0,), on=network, spec=PLAIN, steps=2000)
    torch.testing.assert_close(result.final(0).values, exact, rtol=0, atol=1e-3)


@pytest.mark.parametrize("baseline", ["black", "mid_grey", "mean"])
def test_integrated_gradients_sum_to_the_change_of_the_output(
    explain: Explain, network: nn.Module, image: torch.Tensor, spec: InputSpec, baseline: str
) -> None:
    result = explain("integrated_gradients", image, (2,), steps=300, baseline=baseline)
    brightness = {"black": 0.0, "mid_grey": 0.5, "mean": float((image * spec.std + spec.mean).mean())}[baseline]
    start = torch.full_like(image, (brightness - spec.mean) / spec.std)
    with torch.no_grad():
        change = float(network(image)[0, 2] - network(start)[0, 2])
    final = result.final(2)
    assert abs(change) > 1e-3
    assert float(final.values.sum()) == pytest.approx(change, rel=1e-2)
    assert final.convergence_delta == pytest.approx(float(final.values.sum()) - change, abs=1e-5)


def test_a_method_sees_only_what_its_target_looks_at(explain: Explain, traced: Callable[..., nn.Module]) -> None:
    class Halves(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return torch.stack([batch[..., :8].square().sum(dim=(1, 2, 3)), batch[..., 8:].sum(dim=(1, 2, 3))], dim=1)

    image = torch.rand(1, 1, 16, 16) + 0.1
    for method in ("saliency", "integrated_gradients", "occlusion"):
        window = {"window": 1} if method == "occlusion" else {}
        result = explain(method, image, (0, 1), on=traced(Halves(), (1, 16, 16)), spec=PLAIN, **window)
        left, right = result.final(0).values[0], result.final(1).values[0]
        assert left[:, :8].abs().min() > 0
        assert left[:, 8:].abs().max() < 1e-4
        assert right[:, 8:].abs().min() > 0
        assert right[:, :8].abs().max() < 1e-4
