"""A cancelled method stops at its next forward pass and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.plugins import Cancelled, ObservedModel, Registry
from torch import nn


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "occlusion"])
@pytest.mark.parametrize("check", [1, 2, 4])
def test_a_method_passes_the_cancellation_on_at_once(
    explain: Callable[..., Any], image: torch.Tensor, recorder: type, method: str, check: int
) -> None:
    job = recorder(cancel_at_check=check)
    with pytest.raises(Cancelled):
        explain(method, image, (0, 1, 2), job=job)
    assert job.checks == check


def test_no_forward_pass_happens_after_the_cancellation(
    registry: Registry, network: nn.Module, image: torch.Tensor, spec: InputSpec, recorder: type
) -> None:
    job = recorder(cancel_at_check=3)
    model = ObservedModel(network, job, spec=spec, image=image)
    method = registry.method("occlusion")
    with pytest.raises(Cancelled):
        list(method.explain(model, image, (0,), registry.parameters("occlusion", {"batch_size": 4}), job))
    assert model.forward_passes == 1 + 4


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "occlusion"])
def test_methods_change_neither_image_nor_grad_mode_nor_network(
    explain: Callable[..., Any], network: nn.Module, image: torch.Tensor, method: str
) -> None:
    before = image.clone()
    assert torch.is_grad_enabled()
    explain(method, image)
    assert torch.is_grad_enabled()
    assert torch.equal(image, before)
    assert not image.requires_grad
    assert all(parameter.grad is None for parameter in network.parameters())


def test_gradient_methods_work_where_gradients_are_switched_off(
    explain: Callable[..., Any], image: torch.Tensor
) -> None:
    with torch.no_grad():
        off = explain("integrated_gradients", image, steps=4)
    torch.testing.assert_close(off.final(1).values, explain("integrated_gradients", image, steps=4).final(1).values)
