"""DeepLIFT's shares are those of the Rescale rule, and are complete also where poolings overlap."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import captum.attr
import pytest
import timm
import torch
import torchvision.models as vision
from radiolucent.handlers import InputSpec
from radiolucent.plugins import Attribution, NotApplicable, Output
from radiolucent.plugins.methods.backgrounds import Background
from torch import nn

Explain = Callable[..., Any]
Traced = Callable[..., nn.Module]
PLAIN = InputSpec(size=16)
LARGEST_ERROR = 1e-4
"""Of the change of the output, or of a hundredth of the sum of magnitudes where that is more."""


def error(final: Attribution, change: float) -> float:
    return abs(float(final.values.double().sum()) - change) / max(abs(change), 0.01 * float(final.values.abs().sum()))


def baseline_of(brightness: float, image: torch.Tensor, spec: InputSpec) -> torch.Tensor:
    return torch.full_like(image, (brightness - spec.mean) / spec.std)


def change_of(network: nn.Module, image: torch.Tensor, baseline: torch.Tensor, target: int) -> float:
    with torch.no_grad():
        return float((network(image).double() - network(baseline).double())[0, target])


def films(count: int, channels: int, seed: int) -> torch.Tensor:
    """Smooth images: of noise, every pooled feature would be that of every other."""
    coarse = torch.rand(count, channels, 8, 8, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, size=96, mode="bilinear")


def settled(network: nn.Module, channels: int) -> nn.Module:
    """Random weights whose activations are as large as trained ones': the batch statistics are those of images."""
    layers = list(network.modules())
    for layer in layers:
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.momentum = 1.0
    head = [layer for layer in layers if isinstance(layer, nn.Linear)][-1]
    nn.init.normal_(head.weight, std=0.1)
    network.train()
    with torch.no_grad():
        network(films(4, channels, 1))
    return network.eval()


def test_a_linear_network_gives_weight_times_difference(explain: Explain, traced: Traced) -> None:
    torch.manual_seed(3)
    layer = nn.Linear(256, 2)
    image = torch.rand(1, 1, 16, 16)
    network = traced(nn.Sequential(nn.Flatten(), layer), (1, 16, 16))
    final = explain("deep_lift", image, (1,), on=network, spec=PLAIN, baseline="mid_grey").final(1)
    torch.testing.assert_close(final.values, layer.weight.detach()[1].reshape(1, 16, 16) * (image[0] - 0.5))
    assert final.convergence_delta == pytest.approx(0, abs=1e-5)


def test_an_activation_passes_back_its_change_and_not_its_slope(explain: Explain, traced: Traced) -> None:
    # f = relu(a + b - 1): from black to (0.9, 0.6) the inner sum rises by 1.5 and the activation by 0.5.
    class Kink(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return torch.relu(batch.flatten(1).sum(dim=1, keepdim=True) - 1)

    image = torch.tensor([[[[0.9, 0.6]]]])
    final = explain("deep_lift", image, (0,), on=traced(Kink(), (1, 1, 2)), spec=PLAIN).final(0)
    torch.testing.assert_close(final.values, torch.tensor([[[0.9, 0.6]]]) * 0.5 / 1.5)


def test_where_windows_overlap_every_window_has_its_share(explain: Explain, traced: Traced) -> None:
    # Both windows have their maximum in the middle pixel: it gets both changes, not one of them.
    class Pool(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return nn.functional.max_pool2d(batch, (1, 2), stride=1).flatten(1).sum(dim=1, keepdim=True)

    image = torch.tensor([[[[0.1, 0.9, 0.2]]]])
    final = explain("deep_lift", image, (0,), on=traced(Pool(), (1, 1, 3)), spec=PLAIN).final(0)
    torch.testing.assert_close(final.values, torch.tensor([[[0.0, 1.8, 0.0]]]))


def test_without_overlap_the_shares_are_captums(explain: Explain, spec: InputSpec, traced: Traced) -> None:
    torch.manual_seed(4)
    # An activation beside a pooling is what Captum gets wrong on a network as it is.
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.Sigmoid(), nn.Conv2d(8, 8, 3), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU(),
        nn.Flatten(), nn.LazyLinear(3),
    ).eval()  # fmt: skip
    image = torch.rand(1, 1, 40, 52) * 4 - 2
    network(image)
    baseline = baseline_of(0.5, image, spec)
    ours = explain("deep_lift", image, (0, 2), on=traced(network), baseline="mid_grey")
    for target in (0, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = captum.attr.DeepLift(network).attribute(image.clone(), baseline, target=target)[0]
        torch.testing.assert_close(ours.final(target).values, theirs.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "inception_v3", "inception_resnet_v2", "densenet161"])
def test_the_five_networks_are_explained_completely(explain: Explain, traced: Traced, name: str) -> None:
    torch.manual_seed(5)
    network = settled(timm.create_model(name, in_chans=1, num_classes=3), 1)
    assert_complete(explain, traced(network, (1, 96, 96)), 1)


@pytest.mark.parametrize("name", ["resnet18", "inception_v3", "googlenet", "densenet121", "vgg11_bn", "mobilenet_v2"])
def test_torchvisions_networks_are_explained_completely(explain: Explain, traced: Traced, name: str) -> None:
    torch.manual_seed(6)
    options = {"aux_logits": False, "init_weights": False} if name in ("inception_v3", "googlenet") else {}
    network = settled(getattr(vision, name)(weights=None, num_classes=3, **options), 3)
    assert_complete(explain, traced(network, (3, 96, 96)), 3)


def assert_complete(explain: Explain, network: nn.Module, channels: int) -> None:
    spec = InputSpec(size=96, channels=channels)
    image = films(1, channels, 2)
    for baseline, brightness in (("black", 0.0), ("mid_grey", 0.5)):
        final = explain("deep_lift", image, (1,), on=network, spec=spec, baseline=baseline).final(1)
        change = change_of(network, image, baseline_of(brightness, image, spec), 1)
        assert abs(change) > 0.01
        assert error(final, change) <= LARGEST_ERROR
        assert abs(final.convergence_delta) <= LARGEST_ERROR * max(abs(change), 0.01 * float(final.values.abs().sum()))


def test_of_a_probability_the_shares_sum_to_its_change(
    explain: Explain, network: nn.Module, image: torch.Tensor, spec: InputSpec
) -> None:
    final = explain("deep_lift", image, (2,), output=Output.PROBABILITY).final(2)
    with torch.no_grad():
        both = torch.sigmoid(network(torch.cat([image, baseline_of(0, image, spec)])).double())[:, 2]
    assert abs(float(both[0] - both[1])) > 1e-3
    assert error(final, float(both[0] - both[1])) <= LARGEST_ERROR


class Gate(nn.Module):
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return (batch * torch.sigmoid(batch)).flatten(1)


class Share(nn.Module):
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return 1 / (1 + batch.flatten(1))


class Itself(nn.Module):
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        flat = batch.flatten(1)
        return flat * flat


class Bilinear(nn.Module):
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bi,bi->b", batch.flatten(1), batch.flatten(1))[:, None]


class Square(nn.Module):
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.flatten(1).square()


@pytest.mark.parametrize(
    ("part", "word"),
    [
        (Gate(), "product of two parts"),
        (Share(), "reciprocal|product|div"),
        (Itself(), "product of two parts"),
        (Bilinear(), "product of two parts"),
        (Square(), "aten::square"),
        (nn.Sequential(nn.Flatten(), nn.Softmax(1)), r"Softmax \(1\)"),
        (nn.Sequential(nn.Flatten(), nn.LayerNorm(256)), r"LayerNorm \(1\)"),
    ],
)
def test_what_the_rule_does_not_cover_is_refused_by_name(
    explain: Explain, traced: Traced, part: nn.Module, word: str
) -> None:
    with pytest.raises(NotApplicable, match=word):
        explain("deep_lift", torch.rand(1, 1, 16, 16), (0,), on=traced(part, (1, 16, 16)), spec=PLAIN)


def test_a_product_with_a_constant_is_covered(explain: Explain, traced: Traced) -> None:
    class Scaled(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return (batch + 0.2 * torch.relu(batch - 0.3)).flatten(1) / 4

    image = torch.rand(1, 1, 16, 16)
    network = traced(Scaled(), (1, 16, 16))
    final = explain("deep_lift", image, (7,), on=network, spec=PLAIN).final(7)
    assert error(final, change_of(network, image, torch.zeros_like(image), 7)) <= LARGEST_ERROR


def test_no_hook_and_no_activation_stays_behind(explain: Explain, network: nn.Module, image: torch.Tensor) -> None:
    result = explain("deep_lift", image, (0, 1))
    for layer in result.model.network.modules():
        assert not layer._forward_hooks
        assert not layer._forward_pre_hooks
        assert not layer._backward_hooks
        assert not hasattr(layer, "input")
        assert not hasattr(layer, "output")


def test_deep_lift_shap_is_the_mean_of_captums_over_the_background(
    explain: Explain, spec: InputSpec, traced: Traced
) -> None:
    torch.manual_seed(4)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)
    )
    image = torch.rand(1, 1, 40, 52) * 4 - 2
    network(image)
    ours = explain("deep_lift_shap", image, (2,), on=traced(network), background="uniform_noise", background_size=5)
    background = Background.UNIFORM_NOISE.images(5, image, spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = captum.attr.DeepLiftShap(network.eval()).attribute(image.clone(), background, target=2)[0]
    torch.testing.assert_close(ours.final(2).values, theirs.detach(), rtol=1e-4, atol=1e-6)
    assert ours.job.reports[-1] == (ours.cost, ours.cost)


def test_deep_lift_shap_sums_to_the_change_from_the_mean_of_the_background(
    explain: Explain, network: nn.Module, image: torch.Tensor, spec: InputSpec
) -> None:
    result = explain("deep_lift_shap", image, (1, 3), background_size=12)
    background = Background.UNIFORM_BRIGHTNESS.images(12, image, spec)
    with torch.no_grad():
        change = network(image)[0].double() - network(background).double().mean(dim=0)
    for target in (1, 3):
        final = result.final(target)
        assert error(final, float(change[target])) <= LARGEST_ERROR
        assert abs(final.convergence_delta) <= 1e-4
        partial = result.partial(target)
        assert partial[0].fraction < 0.2
        distances = [float((one.values - final.values).norm() / final.values.norm()) for one in partial]
        assert distances[-1] < distances[0]
        assert all(one.convergence_delta is None for one in partial)
