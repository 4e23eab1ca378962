"""The network as a method sees it."""

from __future__ import annotations

from typing import Any

import captum.attr
import pytest
import torch
from radiolucent.handlers import Calibration, InputSpec, served_probabilities
from radiolucent.handlers.lifting import lift
from radiolucent.plugins import Cancelled, ObservedModel, Output
from torch import nn


@pytest.fixture
def model(network: nn.Module, image: torch.Tensor, spec: InputSpec, recorder: type) -> ObservedModel:
    return ObservedModel(network, recorder(), spec=spec, image=image)


def test_samples_are_counted_not_calls(model: ObservedModel, image: torch.Tensor) -> None:
    model(image)
    model(image.repeat(6, 1, 1, 1))
    assert model.forward_passes == 7


def test_the_value_of_an_image_that_went_by_costs_no_pass(model: ObservedModel, image: torch.Tensor) -> None:
    outputs = model(torch.cat([image, image * 0]))
    assert model.value(2) == pytest.approx(float(outputs[0, 2]))
    assert model.forward_passes == 2


def test_the_value_of_an_image_that_did_not_is_computed_once(
    model: ObservedModel, network: nn.Module, image: torch.Tensor
) -> None:
    model(image + 1)
    values = [model.value(target) for target in range(5)]
    assert values == pytest.approx(network(image)[0].tolist())
    assert model.forward_passes == 2


def test_a_cancelled_job_has_no_further_pass(
    network: nn.Module, image: torch.Tensor, spec: InputSpec, recorder: type
) -> None:
    model = ObservedModel(network, recorder(cancel_at_check=1), spec=spec)
    with pytest.raises(Cancelled):
        model(image)
    assert model.forward_passes == 0


@pytest.mark.parametrize("output", [Output.LOGIT, Output.PROBABILITY])
def test_replaced_windows_give_the_same_with_a_lifted_form_and_without(
    network: torch.jit.ScriptModule, image: torch.Tensor, spec: InputSpec, recorder: type, output: Output
) -> None:
    windows = [(slice(top, top + 6), slice(left, left + 7)) for top in (0, 11, 34) for left in (0, 20, 45)]
    found = []
    for graph in (None, lambda: lift(network)):
        model = ObservedModel(network, recorder(), spec=spec, output=output, image=image, graph=graph)
        outputs = torch.full((10, 5), torch.nan)
        outputs[9] = model.unchanged(image)[0]
        for some, given in model.windowed(image, torch.zeros_like(image), windows, 4):
            outputs[some] = given
        found.append(outputs)
        assert model.forward_passes == 10
        assert model.partial_passes == (9 if graph else 0)
        assert model.value(3) == pytest.approx(float(outputs[9, 3]))
    torch.testing.assert_close(*found, atol=1e-6, rtol=1e-5)


def test_a_graph_that_overwrites_its_activations_goes_forward_as_a_whole(recorder: type) -> None:
    class Overwriting(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return nn.functional.silu(batch * 2, inplace=True).mean((2, 3))

    image = torch.rand(1, 1, 16, 16)
    model = ObservedModel(torch.fx.symbolic_trace(Overwriting()), recorder(), spec=InputSpec(size=16, channels=1))
    ((_, found),) = model.windowed(image, image * 0, [(slice(2, 6), slice(3, 9))], 4)
    image[:, :, 2:6, 3:9] = 0
    torch.testing.assert_close(found, model(image))
    assert model.partial_passes == 0


@pytest.mark.parametrize("output", [Output.LOGIT, Output.PROBABILITY])
def test_captum_takes_it_for_a_module(
    network: nn.Module, image: torch.Tensor, spec: InputSpec, recorder: type, output: Output
) -> None:
    model = ObservedModel(network, recorder(), spec=spec, output=output)
    attribution: Any = captum.attr.Saliency(model).attribute(image.clone().requires_grad_(), target=1)
    assert attribution.abs().max() > 0
    assert model.forward_passes == 1


def test_without_an_image_there_is_no_value(network: nn.Module, spec: InputSpec, recorder: type) -> None:
    with pytest.raises(ValueError, match="which image"):
        ObservedModel(network, recorder(), spec=spec).value(0)


def test_the_probability_that_is_explained_is_the_one_that_is_served(
    network: nn.Module, image: torch.Tensor, spec: InputSpec, recorder: type
) -> None:
    calibration = Calibration(method="platt", scale=(0.5, 2, 1, 1, 3), offset=(1, 0, -1, 0, 0.5))
    logits = network(image).detach()
    kinds = {"logit": logits[0].tolist(), "probability": served_probabilities(logits.numpy(), calibration)[0].tolist()}
    for kind, expected in kinds.items():
        model = ObservedModel(network, recorder(), spec=spec, output=Output(kind), image=image, calibration=calibration)
        assert [model.value(target) for target in range(5)] == pytest.approx(expected, abs=1e-6)
