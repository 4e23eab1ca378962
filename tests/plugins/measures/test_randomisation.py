"""Whether maps notice that weights are drawn anew, and that nobody else's weights are."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from radiolucent.handlers.lifting import lift
from radiolucent.plugins import NotApplicable
from radiolucent.plugins.measures import OtherNetwork, Subject
from radiolucent.plugins.measures.efficient_mprt import complexity
from radiolucent.plugins.measures.likeness import likeness
from radiolucent.plugins.measures.randomised import randomised, weighted_layers
from torch import nn

Make = Callable[..., Subject]
Take = Callable[..., dict[str, float]]

randomising = pytest.mark.parametrize("name", ["smooth_mprt", "efficient_mprt"])


@randomising
def test_the_weights_that_serve_stay_bit_by_bit(
    name: str, convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    lifted = lift(convolutional)
    before = convolutional(small_image), {key: one.clone() for key, one in lifted.state_dict().items()}
    take(name, subject_of(convolutional, small_image, lifted=lambda: lifted))
    assert torch.equal(convolutional(small_image), before[0])
    assert torch.equal(lifted(small_image), before[0])
    assert all(torch.equal(one, before[1][key]) for key, one in lifted.state_dict().items())


def test_a_map_that_depends_on_the_weights_becomes_another(
    convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    found = take("smooth_mprt", subject_of(convolutional, small_image))
    assert abs(found["last_likeness"]) < 0.5
    assert take("efficient_mprt", subject_of(convolutional, small_image))["complexity_rise"] != 0


@pytest.mark.parametrize("kind", ["edges", "constant"])
def test_a_map_that_ignores_the_weights_shows(
    kind: str, convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    def again(image: torch.Tensor, network: OtherNetwork | None) -> torch.Tensor:
        return image[0, 0].diff(dim=0, append=image[0, 0, :1]) if kind == "edges" else torch.ones(16, 20)

    subject = subject_of(convolutional, small_image, again=again)
    assert take("smooth_mprt", subject) == {"likeness": 1.0, "last_likeness": 1.0}
    assert take("efficient_mprt", subject)["complexity_rise"] == 0


def test_a_constant_map_that_gains_structure_has_no_relative_rise(
    convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    def again(image: torch.Tensor, network: OtherNetwork | None) -> torch.Tensor:
        return torch.ones(16, 20) if network is None else image[0, 0]

    with pytest.raises(NotApplicable, match="complexity is 0"):
        take("efficient_mprt", subject_of(convolutional, small_image, again=again))


@randomising
def test_a_network_that_cannot_be_lifted_is_refused_with_its_reason(
    name: str, convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    def refuse() -> torch.fx.GraphModule:
        raise NotApplicable("the network has control flow")

    with pytest.raises(NotApplicable, match="control flow"):
        take(name, subject_of(convolutional, small_image, lifted=refuse))


@pytest.mark.parametrize(("order", "kept"), [("bottom_up", "8"), ("top_down", "0")])
def test_stages_begin_where_they_are_told(
    order: str,
    kept: str,
    convolutional: torch.nn.Module,
    small_image: torch.Tensor,
    subject_of: Make,
    take: Take,
) -> None:
    lifted = lift(convolutional)
    stages: list[dict[str, bool]] = []

    def again(image: torch.Tensor, network: OtherNetwork | None) -> torch.Tensor:
        if network is not None:
            with network.made_of(lifted) as made:
                trained, drawn = dict(lifted.named_parameters()), dict(made.named_parameters())
            stages.append({name: torch.equal(trained[name], drawn[name]) for name in trained})
        return image[0, 0]

    subject = subject_of(convolutional, small_image, again=again, lifted=lambda: lifted)
    take("smooth_mprt", subject, order=order, samples=1)
    weight = f"{kept}.weight"
    assert [stage[weight] for stage in stages] == [True, True, False]
    assert [sum(stage.values()) for stage in stages] == sorted((sum(one.values()) for one in stages), reverse=True)
    assert not any(stages[-1].values())


def test_every_stage_draws_something(
    small_image: torch.Tensor, convolutional: torch.nn.Module, subject_of: Make, take: Take
) -> None:
    drawn: list[int] = []

    def again(image: torch.Tensor, network: Any) -> torch.Tensor:  # noqa: ANN401
        if network is not None:
            drawn.append(len(network.layers))
        return image[0, 0]

    take("smooth_mprt", subject_of(convolutional, small_image, again=again), stages=50, samples=1)
    assert min(drawn) == 1, "a network that is the trained one would count as a map that depends on no weights"


def test_a_new_network_has_the_statistics_of_a_new_one_and_lives(convolutional: torch.nn.Module) -> None:
    lifted = lift(convolutional)
    names = weighted_layers(lifted)
    assert names == ["0", "1", "3", "4", "8"]
    with randomised(lifted, names, seed=0) as network:
        norm = network.get_submodule("1")
        assert [float(one.unique()) for one in (norm.weight, norm.bias, norm.running_mean, norm.running_var)] == [
            1,
            0,
            0,
            1,
        ]
    deep = nn.Sequential(*[layer for _ in range(40) for layer in (nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())])
    traced = torch.jit.trace(nn.Sequential(nn.Conv2d(1, 16, 1), *deep).eval(), torch.rand(2, 1, 16, 16))
    image = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    lifted = lift(traced)
    with randomised(lifted, weighted_layers(lifted), seed=0) as network:
        assert 1e-3 < float(network(image).std()) < 1e3


def test_a_network_without_weights_is_refused() -> None:
    traced = torch.jit.trace(nn.Sequential(nn.ReLU(), nn.Flatten()).eval(), torch.rand(2, 1, 4, 4))
    with pytest.raises(NotApplicable, match="no layers of weights"):
        weighted_layers(lift(traced))


def test_complexity_and_likeness_are_those_of_quantus(quantus: ModuleType) -> None:
    one, other = (torch.rand(20, 30, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    entropy = quantus.functions.complexity_func.discrete_entropy(one.double().numpy(), None, n_bins=100)
    assert complexity(one, 100) == pytest.approx(float(entropy))
    rank = quantus.functions.similarity_func.correlation_spearman(one.flatten().numpy(), other.flatten().numpy())
    assert likeness(one, other) == pytest.approx(float(np.squeeze(rank)))
