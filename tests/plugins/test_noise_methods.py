"""The noise tunnel's methods and input x gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.plugins import Cancelled, NotApplicable
from torch import nn

Explain = Callable[..., Any]
TARGETS = (1, 3)
TUNNELS = {"smooth_grad": "smoothgrad", "smooth_grad_squared": "smoothgrad_sq", "var_grad": "vargrad"}
SHORT = {"noise_tunnel_integrated_gradients": {"samples": 10, "steps": 4}}
ALL = [*TUNNELS, "noise_tunnel_integrated_gradients"]
PLAIN = InputSpec(size=16)


BASES: dict[str, tuple[Callable[[nn.Module], Any], dict[str, Any]]] = {
    "gradient": (captum.attr.Saliency, {"abs": False}),
    "saliency": (captum.attr.Saliency, {}),
    "input_x_gradient": (captum.attr.InputXGradient, {}),
    "integrated_gradients": (captum.attr.IntegratedGradients, {"n_steps": 6}),
}


def tunnelled(
    network: nn.Module, image: torch.Tensor, spec: InputSpec, target: int, base: str, kind: str, samples: int
) -> torch.Tensor:
    method, arguments = BASES[base]
    if base == "integrated_gradients":
        arguments = arguments | {"baselines": spec.black}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        values: torch.Tensor = captum.attr.NoiseTunnel(method(network)).attribute(
            image.clone().requires_grad_(),
            nt_type=kind,
            nt_samples=samples,
            nt_samples_batch_size=1,
            stdevs=0.2 * float(image.max() - image.min()),
            target=target,
            **arguments,
        )
    return values[0].detach()


@pytest.mark.parametrize("base", list(BASES))
@pytest.mark.parametrize("name", list(TUNNELS))
def test_they_equal_captums_noise_tunnel_with_the_same_noise(
    explain: Explain, network: nn.Module, image: torch.Tensor, spec: InputSpec, name: str, base: str
) -> None:
    ours = explain(name, image, TARGETS, base=base, samples=9, noise=0.2, steps=6, seed=7)
    for target in TARGETS:
        theirs = tunnelled(network, image, spec, target, base, TUNNELS[name], 9)
        assert theirs.abs().max() > 0
        assert (ours.final(target).values - theirs).abs().max() <= 1e-4 * theirs.abs().max()


@pytest.mark.parametrize("base", ["guided_backprop", "deconvolution", "deep_lift"])
@pytest.mark.parametrize("name", list(TUNNELS))
def test_around_methods_that_need_the_layers_they_take_the_maps_of_noisy_images_together(
    explain: Explain, image: torch.Tensor, name: str, base: str
) -> None:
    ours = explain(name, image, TARGETS, base=base, samples=7, noise=0.2, seed=7)
    assert ours.job.reports[-1] == (ours.cost, ours.cost)
    generator = torch.Generator().manual_seed(7)
    deviation = 0.2 * float(image.max() - image.min())
    noisy = [image + deviation * torch.randn(1, *image.shape[-2:], generator=generator) for _ in range(7)]
    for target in TARGETS:
        maps = torch.stack([explain(base, one, (target,)).final(target).values.double() for one in noisy])
        moments = {"smooth_grad": maps.mean(0), "smooth_grad_squared": maps.square().mean(0), "var_grad": maps.var(0)}
        expected = moments[name].float()
        if name == "var_grad":
            expected = maps.var(0, correction=0).float()
        torch.testing.assert_close(
            ours.final(target).values, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max())
        )


def test_a_base_refuses_what_it_cannot_explain(
    explain: Explain, traced: Callable[..., nn.Module], image: torch.Tensor
) -> None:
    silu = traced(nn.Sequential(nn.Conv2d(1, 2, 3), nn.SiLU(), nn.Flatten(), nn.Linear(2 * 38 * 50, 4)))
    with pytest.raises(NotApplicable, match="SiLU"):
        explain("smooth_grad", image, TARGETS, on=silu, base="guided_backprop")
    assert explain("smooth_grad", image, TARGETS, on=silu, samples=4).final(1).values.abs().max() > 0


def test_the_preset_is_captums_squared_noise_tunnel_around_integrated_gradients(
    explain: Explain, network: nn.Module, image: torch.Tensor, spec: InputSpec
) -> None:
    ours = explain("noise_tunnel_integrated_gradients", image, (1,), samples=5, noise=0.2, steps=6, seed=7)
    theirs = tunnelled(network, image, spec, 1, "integrated_gradients", "smoothgrad_sq", 5)
    assert (ours.final(1).values - theirs).abs().max() <= 1e-4 * theirs.abs().max()


def test_input_x_gradient_equals_captums(explain: Explain, network: nn.Module, image: torch.Tensor) -> None:
    ours = explain("input_x_gradient", image, TARGETS)
    assert ours.model.forward_passes == 1
    for target in TARGETS:
        theirs = captum.attr.InputXGradient(network).attribute(image.clone().requires_grad_(), target=target)[0]
        torch.testing.assert_close(ours.final(target).values, theirs.detach())


def test_input_x_gradient_of_a_linear_model_is_input_times_weight(
    explain: Explain, traced: Callable[..., nn.Module]
) -> None:
    layer = nn.Linear(256, 2)
    image = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(4))
    network = traced(nn.Sequential(nn.Flatten(), layer), (1, 16, 16))
    result = explain("input_x_gradient", image, (1,), on=network, spec=PLAIN)
    torch.testing.assert_close(result.final(1).values, image[0] * layer.weight.detach()[1].reshape(1, 16, 16))


def test_of_a_linear_model_the_mean_is_the_weight_and_the_variance_is_nothing(
    explain: Explain, traced: Callable[..., nn.Module]
) -> None:
    layer = nn.Linear(256, 2)
    weight = layer.weight.detach()[0].reshape(1, 16, 16)
    image = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(4))
    network = traced(nn.Sequential(nn.Flatten(), layer), (1, 16, 16))

    def final(name: str, **parameters: object) -> torch.Tensor:
        values: torch.Tensor = explain(name, image, (0,), on=network, spec=PLAIN, samples=8, **parameters)
        return values.final(0).values  # type: ignore[attr-defined,no-any-return]

    torch.testing.assert_close(final("smooth_grad"), weight)
    torch.testing.assert_close(final("smooth_grad", base="saliency"), weight.abs())
    torch.testing.assert_close(final("smooth_grad_squared"), weight.square())
    assert final("var_grad").abs().max() < 1e-12


def test_of_a_square_the_variance_is_that_of_the_noise(explain: Explain, traced: Callable[..., nn.Module]) -> None:
    class Square(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return batch.square().sum(dim=(1, 2, 3))[:, None]

    image = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(4))
    result = explain(
        "var_grad", image, (0,), on=traced(Square(), (1, 16, 16)), spec=PLAIN, samples=2000, noise=0.1,
        internal_batch_size=250,
    )  # fmt: skip
    deviation = 0.1 * float(image.max() - image.min())
    variance = result.final(0).values
    assert float(variance.mean()) == pytest.approx((2 * deviation) ** 2, rel=0.02)
    # A part of the noisy images estimates the same variance, though that of fewer is less on average.
    assert float(result.partial(0)[0].values.mean()) == pytest.approx((2 * deviation) ** 2, rel=0.1)


def test_squared_is_variance_and_squared_mean_together(explain: Explain, image: torch.Tensor) -> None:
    mean, square, variance = (explain(name, image, (2,), samples=12).final(2).values for name in TUNNELS)
    torch.testing.assert_close(square, mean.square() + variance)


def test_all_channels_get_the_same_noise(explain: Explain) -> None:
    seen: list[torch.Tensor] = []

    class Watched(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            seen.append(batch.detach().clone())
            return batch.sum(dim=(2, 3))

    image = torch.rand(1, 1, 16, 16).expand(1, 3, 16, 16).clone()
    explain("smooth_grad", image, (0,), on=Watched(), spec=PLAIN, samples=4)
    noisy = torch.cat(seen)
    assert torch.equal(noisy[:, 0], noisy[:, 2])
    assert not torch.equal(noisy[0], noisy[1])


@pytest.mark.parametrize("name", ALL)
def test_the_seed_decides_every_bit_and_leaves_the_global_state_alone(
    explain: Explain, image: torch.Tensor, name: str
) -> None:
    short = SHORT.get(name, {"samples": 20})
    state = torch.get_rng_state()
    one, same, other = (explain(name, image, (0,), seed=seed, **short) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    for first, second in zip(one.maps, same.maps, strict=True):
        assert torch.equal(first.values, second.values)
    assert not torch.equal(one.final(0).values, other.final(0).values)


@pytest.mark.parametrize("name", ALL)
def test_the_batch_size_bounds_the_passes_and_changes_nothing_else(
    explain: Explain, network: nn.Module, image: torch.Tensor, name: str
) -> None:
    sizes: list[int] = []

    class Watched(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            sizes.append(len(batch))
            return network(batch)

    short = SHORT.get(name, {"samples": 60})
    limited = explain(name, image, (0,), on=Watched(), internal_batch_size=3, **short)
    assert max(sizes) == 3
    whole = explain(name, image, (0,), internal_batch_size=64, **short).final(0).values
    torch.testing.assert_close(limited.final(0).values, whole, rtol=1e-4, atol=1e-4 * float(whole.abs().max()))


@pytest.mark.parametrize("name", ALL)
def test_targets_share_forward_passes_and_get_the_maps_they_would_get_alone(
    explain: Explain, image: torch.Tensor, name: str
) -> None:
    short = SHORT.get(name, {"samples": 20})
    one, three = explain(name, image, (4,), **short), explain(name, image, (4, 0, 2), **short)
    assert one.model.forward_passes == three.model.forward_passes
    alone = one.final(4).values
    torch.testing.assert_close(three.final(4).values, alone, rtol=1e-4, atol=1e-5 * float(alone.abs().max()))


@pytest.mark.parametrize("name", ALL)
def test_partial_maps_come_early_and_approach_the_final_one(explain: Explain, image: torch.Tensor, name: str) -> None:
    short = {"steps": 4} if name not in TUNNELS else {"samples": 50}
    result = explain(name, image, range(5), **short)
    assert result.maps[0].fraction < 0.2
    curves = []
    for target in range(5):
        final = result.final(target).values.flatten()
        partial = result.partial(target)
        fractions = [one.fraction for one in partial]
        assert fractions == sorted(set(fractions))
        curves.append([float(torch.corrcoef(torch.stack([one.values.flatten(), final]))[0, 1]) for one in partial])
    mean = np.mean(curves, axis=0)
    assert len(mean) >= 5
    assert mean[-1] > 0.95
    assert mean[-1] > mean[0] > 0.2
    assert np.polyfit(range(len(mean)), mean, 1)[0] > 0


@pytest.mark.parametrize("name", [*ALL, "input_x_gradient"])
def test_progress_ends_at_the_cost_and_never_goes_back(explain: Explain, image: torch.Tensor, name: str) -> None:
    short = SHORT.get(name, {"samples": 20} if name in TUNNELS else {})
    result = explain(name, image, (0, 2), **short)
    done = [one for one, _ in result.job.reports]
    assert {total for _, total in result.job.reports} == {result.cost}
    assert done == sorted(set(done))
    assert done[-1] == result.cost


@pytest.mark.parametrize("name", [*ALL, "input_x_gradient"])
@pytest.mark.parametrize("check", [1, 2, 4])
def test_they_pass_the_cancellation_on_at_once(
    explain: Explain, image: torch.Tensor, recorder: type, name: str, check: int
) -> None:
    job = recorder(cancel_at_check=check)
    with pytest.raises(Cancelled):
        explain(name, image, (0, 1, 2), job=job)
    assert job.checks == check


@pytest.mark.parametrize("name", ALL)
def test_they_see_only_what_their_target_looks_at(
    explain: Explain, traced: Callable[..., nn.Module], name: str
) -> None:
    class Halves(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            squares = batch.square()
            return torch.stack([squares[..., :8].sum(dim=(1, 2, 3)), squares[..., 8:].sum(dim=(1, 2, 3))], dim=1)

    image = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(4)) + 0.5
    result = explain(name, image, (0, 1), on=traced(Halves(), (1, 16, 16)), spec=PLAIN, **SHORT.get(name, {}))
    left, right = result.final(0).values[0].abs(), result.final(1).values[0].abs()
    assert left[:, :8].min() > 0 == left[:, 8:].max()
    assert right[:, 8:].min() > 0 == right[:, :8].max()
