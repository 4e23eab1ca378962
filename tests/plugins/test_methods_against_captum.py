"""The built-in methods give the numbers of Captum's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import captum.attr
import pytest
import timm
import torch
from radiolucent.handlers import InputSpec
from radiolucent.handlers.lifting import fold, lift
from radiolucent.plugins import Output
from torch import nn

Explain = Callable[..., Any]
TARGETS = (1, 3)


def test_saliency_equals_captums(explain: Explain, network: nn.Module, image: torch.Tensor) -> None:
    ours = explain("saliency", image, TARGETS)
    for target in TARGETS:
        theirs = captum.attr.Saliency(network).attribute(image.clone().requires_grad_(), target=target)[0]
        torch.testing.assert_close(ours.final(target).values, theirs)


@pytest.mark.parametrize("steps", [2, 7, 50])
@pytest.mark.parametrize("baseline", ["black", "mid_grey"])
def test_integrated_gradients_equal_captums(
    explain: Explain,
    network: nn.Module,
    image: torch.Tensor,
    spec: InputSpec,
    steps: int,
    baseline: str,
) -> None:
    ours = explain("integrated_gradients", image, TARGETS, steps=steps, baseline=baseline)
    brightness = {"black": 0.0, "mid_grey": 0.5}[baseline]
    for target in TARGETS:
        theirs, delta = captum.attr.IntegratedGradients(network).attribute(
            image,
            baselines=(brightness - spec.mean) / spec.std,
            target=target,
            n_steps=steps,
            return_convergence_delta=True,
        )
        final = ours.final(target)
        assert (final.values - theirs[0]).abs().max() <= 1e-5 * theirs.abs().max()
        assert final.convergence_delta == pytest.approx(float(delta), abs=1e-5)


def folded(network: nn.Module) -> nn.Module:
    """Return the form that the server occludes."""
    return fold(lift(network))


@pytest.mark.parametrize("form", [None, lift, folded])
@pytest.mark.parametrize(("window", "stride"), [(7, 3), (8, 8), (10, 4), (5, 2), (40, 1), (1, 1)])
def test_occlusion_equals_captums(
    explain: Explain,
    network: nn.Module,
    image: torch.Tensor,
    spec: InputSpec,
    window: int,
    stride: int,
    form: Callable[[nn.Module], nn.Module] | None,
) -> None:
    ours = explain("occlusion", image, TARGETS, window=window, stride=stride, form=form)
    if form is not None:
        assert ours.model.partial_passes, "what a window changes is computed alone"
    for target in TARGETS:
        theirs = captum.attr.Occlusion(network).attribute(
            image,
            sliding_window_shapes=(1, window, window),
            strides=(1, stride, stride),
            baselines=spec.black,
            target=target,
            perturbations_per_eval=64,
        )[0]
        torch.testing.assert_close(ours.final(target).values, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "inception_v3"])
def test_occlusion_of_a_real_network_equals_captums(
    explain: Explain, traced: Callable[..., nn.Module], name: str
) -> None:
    torch.manual_seed(0)
    spec = InputSpec(size=96, mean=0.5, std=0.25)
    network = timm.create_model(name, in_chans=1, num_classes=2)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):  # gives folding something to do
            nn.init.uniform_(layer.weight, 0.8, 1.2)
            nn.init.normal_(layer.bias, std=0.1)
            nn.init.normal_(layer.running_mean, std=0.1)
    script = traced(network, (1, 96, 96))
    image = torch.rand(1, 1, 96, 96) * 4 - 2
    ours = explain("occlusion", image, (1,), on=script, spec=spec, form=folded, window=20, stride=17)
    assert ours.model.partial_passes
    with torch.no_grad():
        theirs = captum.attr.Occlusion(script).attribute(
            image,
            sliding_window_shapes=(1, 20, 20),
            strides=(1, 17, 17),
            baselines=spec.black,
            target=1,
            perturbations_per_eval=9,
        )[0]
        output = float(script(image)[0, 1])
    allowed = 1e-4 * max(float(theirs.max() - theirs.min()), 1e-3 * abs(output))
    torch.testing.assert_close(ours.final(1).values, theirs, rtol=0, atol=allowed)


def test_occlusion_hides_all_channels_at_once_as_captum_does(
    explain: Explain, traced: Callable[..., nn.Module], spec: InputSpec
) -> None:
    torch.manual_seed(2)
    colour = traced(nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 20 * 20, 2)), (3, 24, 24))
    image = torch.rand(1, 3, 24, 24)
    ours = explain("occlusion", image, (0,), on=colour, window=6, stride=5)
    theirs = captum.attr.Occlusion(colour).attribute(
        image, sliding_window_shapes=(3, 6, 6), strides=(3, 5, 5), baselines=spec.black, target=0
    )[0]
    torch.testing.assert_close(ours.final(0).values, theirs, rtol=0, atol=1e-5)


def test_a_fraction_of_the_side_is_the_same_as_its_pixels(explain: Explain, image: torch.Tensor) -> None:
    fraction = explain("occlusion", image, (0,), window=0.25, stride=0.1)
    pixels = explain("occlusion", image, (0,), window=10, stride=4)
    torch.testing.assert_close(fraction.final(0).values, pixels.final(0).values)


def test_stride_is_half_of_the_window_by_default(explain: Explain, image: torch.Tensor) -> None:
    assert explain("occlusion", image, window=10).cost == explain("occlusion", image, window=10, stride=5).cost


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "occlusion"])
def test_the_probability_is_explained_where_asked_for(
    explain: Explain, network: nn.Module, image: torch.Tensor, method: str
) -> None:
    class Sigmoid(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(network(batch))

    ours = explain(method, image, output=Output.PROBABILITY)
    wrapped = explain(method, image, on=Sigmoid())
    torch.testing.assert_close(ours.final(1).values, wrapped.final(1).values)
    assert ours.model.value(1) == pytest.approx(float(torch.sigmoid(network(image))[0, 1]))


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "occlusion"])
@pytest.mark.parametrize("targets", [(0,), (4, 0, 2)])
def test_targets_that_share_work_get_the_maps_they_would_get_alone(
    explain: Explain, image: torch.Tensor, method: str, targets: tuple[int, ...]
) -> None:
    together = explain(method, image, targets)
    for target in targets:
        alone = explain(method, image, (target,))
        torch.testing.assert_close(together.final(target).values, alone.final(target).values, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("size", [1, 3, 64])
@pytest.mark.parametrize(
    ("method", "parameter"), [("integrated_gradients", "internal_batch_size"), ("occlusion", "batch_size")]
)
def test_the_batch_size_bounds_the_passes_and_changes_nothing_else(
    explain: Explain, network: nn.Module, image: torch.Tensor, method: str, parameter: str, size: int
) -> None:
    sizes: list[int] = []

    class Watched(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            sizes.append(len(batch))
            return network(batch)

    limited = explain(method, image, (0,), on=Watched(), **{parameter: size})
    # The two ends of the path of integrated gradients go together.
    assert max(sizes) <= max(size, 2)
    torch.testing.assert_close(limited.final(0).values, explain(method, image, (0,)).final(0).values)
