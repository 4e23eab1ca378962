"""GradientSHAP and expected gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.handlers.brightness import BrightnessStatistics
from radiolucent.plugins import Cancelled, NotApplicable, ObservedModel, Registry
from radiolucent.plugins.methods.backgrounds import Background
from torch import nn

Explain = Callable[..., Any]
METHODS = ["gradient_shap", "expected_gradients"]
PLAIN = InputSpec(size=16)


class Squares(nn.Module):
    """The sum of squares: its share of a pixel on the way from b to x is x^2 - b^2."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.square().sum(dim=(1, 2, 3))[:, None]


@pytest.fixture
def small() -> torch.Tensor:
    return torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("target", [1, 3])
def test_gradient_shap_equals_captums_at_the_same_points(
    explain: Explain,
    registry: Registry,
    network: nn.Module,
    image: torch.Tensor,
    spec: InputSpec,
    monkeypatch: pytest.MonkeyPatch,
    noise: float,
    target: int,
) -> None:
    values = {"samples": 12, "background": "uniform_noise", "background_size": 4, "seed": 9, "noise": noise}
    ours = explain("gradient_shap", image, (1, 3), **values).final(target)
    method, params = registry.method("gradient_shap"), registry.parameters("gradient_shap", values)
    (draw,) = method.draws(params, image, iter([12]))  # type: ignore[attr-defined]
    background = Background.UNIFORM_NOISE.images(4, image, spec, seed=10)
    alphas = draw.alphas.double().numpy()
    noisy = image.repeat(12, 1, 1, 1) if draw.noise is None else image + draw.noise

    # Captum's core takes its alphas from NumPy, its image and background image for each point from outside.
    monkeypatch.setattr(np.random, "uniform", lambda *_: alphas)
    core = captum.attr._core.gradient_shap.InputBaselineXGradient(network)
    theirs = core.attribute(noisy, baselines=background[draw.chosen], target=target).mean(dim=0).detach()
    assert (ours.values - theirs).abs().max() <= 1e-4 * theirs.abs().max()
    with torch.no_grad():
        change = float(network(image)[0, target] - network(background)[:, target].mean())
    assert ours.convergence_delta == pytest.approx(float(theirs.sum()) - change, abs=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_points_are_uniform_and_use_every_background_image(registry: Registry, image: torch.Tensor, name: str) -> None:
    method = registry.method(name)
    params = registry.parameters(name, {"samples": 4096, "background_size": 8})
    (draw,) = method.draws(params, image, iter([4096]))  # type: ignore[attr-defined]
    assert float(draw.alphas.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(draw.alphas.std()) == pytest.approx(12**-0.5, abs=0.01)
    counts = np.bincount(draw.chosen.numpy(), minlength=8)
    assert counts == pytest.approx(512, rel=0.15)
    assert abs(float(torch.corrcoef(torch.stack([draw.alphas, draw.chosen.float()]))[0, 1])) < 0.05
    parts = list(method.draws(params, image, iter([1, 95, 4000])))  # type: ignore[attr-defined]
    assert torch.equal(torch.cat([one.alphas for one in parts]), draw.alphas)
    assert torch.equal(torch.cat([one.chosen for one in parts]), draw.chosen)


def test_expected_gradients_give_each_background_image_the_same_share_and_cover_its_way(
    registry: Registry, image: torch.Tensor
) -> None:
    method = registry.method("expected_gradients")
    for seed in range(5):
        params = registry.parameters("expected_gradients", {"seed": seed})
        (draw,) = method.draws(params, image, iter([64]))  # type: ignore[attr-defined]
        for one in range(16):
            positions = (draw.alphas[draw.chosen == one] * 4).long()
            assert sorted(positions.tolist()) == [0, 1, 2, 3]


def test_expected_gradients_of_a_linear_model_are_weight_times_difference_from_the_mean(
    explain: Explain, traced: Callable[..., nn.Module], small: torch.Tensor
) -> None:
    layer = nn.Linear(256, 2)
    network = traced(nn.Sequential(nn.Flatten(), layer), (1, 16, 16))
    final = explain("expected_gradients", small, (1,), on=network, spec=PLAIN).final(1)
    weight = layer.weight.detach()[1].reshape(1, 16, 16)
    torch.testing.assert_close(final.values, weight * (small[0] - 0.5))
    assert final.convergence_delta == pytest.approx(0, abs=1e-5)


def test_gradient_shap_of_a_linear_model_is_weight_times_difference_from_what_was_drawn(
    explain: Explain, traced: Callable[..., nn.Module], registry: Registry, small: torch.Tensor
) -> None:
    layer = nn.Linear(256, 2)
    network = traced(nn.Sequential(nn.Flatten(), layer), (1, 16, 16))
    final = explain("gradient_shap", small, (1,), on=network, spec=PLAIN).final(1)
    params = registry.parameters("gradient_shap", {})
    (draw,) = registry.method("gradient_shap").draws(params, small, iter([64]))  # type: ignore[attr-defined]
    mean = float(((draw.chosen + 0.5) / 16).mean())
    weight = layer.weight.detach()[1].reshape(1, 16, 16)
    torch.testing.assert_close(final.values, weight * (small[0] - mean))
    assert final.convergence_delta == pytest.approx(float(weight.sum()) * (0.5 - mean), abs=1e-5)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("samples", [5, 16])
def test_the_expectation_is_complete_and_exact_also_of_few_points(
    explain: Explain, traced: Callable[..., nn.Module], small: torch.Tensor, name: str, samples: int
) -> None:
    network = traced(Squares(), (1, 16, 16))
    finals = [
        explain(
            name, small, (0,), on=network, spec=PLAIN, samples=samples, seed=seed, background_size=4
        ).final(0)
        for seed in range(400)
    ]  # fmt: skip
    levels = (torch.arange(4) + 0.5) / 4
    exact = small[0].square() - levels.square().mean()
    values = torch.stack([one.values for one in finals]).double()
    error = values.std(dim=0) / 400**0.5
    # Pixels move together: alphas and levels are all that is random. Five standard errors, for the largest of 256.
    assert ((values.mean(dim=0) - exact).abs() <= 5 * error + 1e-6).all()
    deltas = np.array([one.convergence_delta for one in finals])
    assert abs(deltas.mean()) <= 5 * deltas.std() / 20
    assert deltas.std() > 0
    np.testing.assert_allclose(deltas, values.sum(dim=(1, 2, 3)).numpy() - float(exact.sum()), atol=1e-3)


def test_even_points_are_nearer_to_the_expectation_than_independent_ones(
    explain: Explain, network: nn.Module, image: torch.Tensor
) -> None:
    spread = {
        name: np.std([explain(name, image, (2,), seed=seed).final(2).convergence_delta for seed in range(12)])
        for name in METHODS
    }
    assert spread["expected_gradients"] < spread["gradient_shap"] / 3


def test_of_one_background_image_they_are_integrated_gradients(explain: Explain, image: torch.Tensor) -> None:
    exact = explain("integrated_gradients", image, (2,), baseline="mid_grey", steps=200).final(2).values
    estimate = explain("expected_gradients", image, (2,), samples=1024, background_size=1).final(2).values
    assert (estimate - exact).abs().max() < 0.01 * exact.abs().max()


@pytest.mark.parametrize("name", METHODS)
def test_the_training_statistics_are_used_where_there_are_some(
    registry: Registry, network: nn.Module, image: torch.Tensor, spec: InputSpec, recorder: type, name: str
) -> None:
    statistics = BrightnessStatistics(films=40, mean=((0.4,) * 16,) * 16, std=((0.2,) * 16,) * 16)
    params = registry.parameters(name, {"background": "training_statistics", "samples": 4})

    def explain(statistics: BrightnessStatistics | None) -> torch.Tensor:
        model = ObservedModel(network, recorder(), spec=spec, image=image, statistics=statistics)
        return list(registry.method(name).explain(model, image.clone(), (0,), params, recorder()))[-1].values

    assert explain(statistics).abs().max() > 0
    with pytest.raises(NotApplicable, match="these work: uniform_brightness"):
        explain(None)


@pytest.mark.parametrize("name", METHODS)
def test_the_seed_decides_every_bit_and_leaves_the_global_state_alone(
    explain: Explain, image: torch.Tensor, name: str
) -> None:
    state, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index,union-attr]
    one, same, other = (explain(name, image, (0,), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numbers)  # type: ignore[index]
    for first, second in zip(one.maps, same.maps, strict=True):
        assert torch.equal(first.values, second.values)
    assert not torch.equal(one.final(0).values, other.final(0).values)


@pytest.mark.parametrize("name", METHODS)
def test_the_batch_size_bounds_the_passes_and_changes_nothing_else(
    explain: Explain, network: nn.Module, image: torch.Tensor, name: str
) -> None:
    sizes: list[int] = []

    class Watched(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            sizes.append(len(batch))
            return network(batch)

    limited = explain(name, image, (0,), on=Watched(), internal_batch_size=3)
    assert max(sizes) == 3
    whole = explain(name, image, (0,), internal_batch_size=64).final(0)
    torch.testing.assert_close(limited.final(0).values, whole.values, rtol=1e-4, atol=1e-6)
    assert limited.final(0).convergence_delta == pytest.approx(whole.convergence_delta, abs=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_targets_share_forward_passes_and_get_the_maps_they_would_get_alone(
    explain: Explain, image: torch.Tensor, name: str
) -> None:
    one, three = explain(name, image, (4,)), explain(name, image, (4, 0, 2))
    assert one.model.forward_passes == three.model.forward_passes == 1 + 64 + 16
    torch.testing.assert_close(three.final(4).values, one.final(4).values, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", METHODS)
def test_partial_maps_come_early_without_a_delta_and_approach_the_final_one(
    explain: Explain, image: torch.Tensor, name: str
) -> None:
    result = explain(name, image, range(5))
    assert result.maps[0].fraction < 0.2
    curves = []
    for target in range(5):
        final, partial = result.final(target).values.flatten(), result.partial(target)
        fractions = [one.fraction for one in partial]
        assert fractions == sorted(set(fractions))
        assert all(one.convergence_delta is None for one in partial)
        curves.append([float(torch.corrcoef(torch.stack([one.values.flatten(), final]))[0, 1]) for one in partial])
    mean = np.mean(curves, axis=0)
    assert len(mean) >= 5
    assert mean[0] > 0.5
    assert mean[-1] > 0.98
    assert np.polyfit(range(len(mean)), mean, 1)[0] > 0


@pytest.mark.parametrize("name", METHODS)
def test_progress_ends_at_the_cost_and_never_goes_back(explain: Explain, image: torch.Tensor, name: str) -> None:
    result = explain(name, image, (0, 2))
    done = [one for one, _ in result.job.reports]
    assert {total for _, total in result.job.reports} == {result.cost}
    assert done == sorted(set(done))
    assert done[-1] == result.cost


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("check", [1, 2, 4])
def test_they_pass_the_cancellation_on_at_once(
    explain: Explain, image: torch.Tensor, recorder: type, name: str, check: int
) -> None:
    job = recorder(cancel_at_check=check)
    with pytest.raises(Cancelled):
        explain(name, image, (0, 1, 2), job=job)
    assert job.checks == check


@pytest.mark.parametrize("name", METHODS)
def test_they_see_only_what_their_target_looks_at(
    explain: Explain, traced: Callable[..., nn.Module], small: torch.Tensor, name: str
) -> None:
    class Halves(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return torch.stack([batch[..., :8].square().sum(dim=(1, 2, 3)), batch[..., 8:].sum(dim=(1, 2, 3))], dim=1)

    result = explain(name, small + 1, (0, 1), on=traced(Halves(), (1, 16, 16)), spec=PLAIN)
    left, right = result.final(0).values[0].abs(), result.final(1).values[0].abs()
    assert left[:, :8].min() > 0 == left[:, 8:].max()
    assert right[:, 8:].min() > 0 == right[:, :8].max()
