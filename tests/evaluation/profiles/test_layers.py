"""Which layers are found in a lifted network, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from radiolucent.evaluation.networks import Network
from radiolucent.evaluation.profiles.errors import LayersUnknown
from radiolucent.evaluation.profiles.places import places_of
from radiolucent.evaluation.profiles.stages import stages
from radiolucent.evaluation.profiles.taps import tapped
from radiolucent.handlers import InputSpec
from radiolucent.handlers.lifting import lift
from torch import nn

PAGE = Path(__file__).parents[3] / "docs" / "profiles.md"


class Branches(nn.Module):
    """Two branches of other widths that are put together, without and with a change of resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.act = nn.Conv2d(1, 3, 1), nn.Conv2d(1, 5, 3, padding=1), nn.ReLU()
        self.act_right, self.shrink, self.last = nn.ReLU(), nn.Conv2d(8, 4, 1), nn.Conv2d(4, 4, 1)
        self.pool, self.norm, self.act_last = nn.AvgPool2d(2), nn.BatchNorm2d(4), nn.SiLU()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        both = torch.cat([self.act(self.left(images)), self.act_right(self.right(images))], 1)
        shrunk = self.pool(self.shrink(both))
        return self.last(self.act_last(self.norm(shrunk))).mean((2, 3))


def found(script: torch.jit.ScriptModule, size: int) -> dict[str, tuple[int, int, int]]:
    lifted = lift(script)
    return {one.name: one.shape for one in stages(lifted, places_of(lifted, InputSpec(size=size)))}


def test_a_residual_block_is_taken_at_its_end_after_the_activation(residual: Callable, trace: Callable) -> None:
    assert found(trace(residual(0)), 32) == {
        "input": (1, 32, 32),
        "relu": (4, 16, 16),
        "pool": (4, 8, 8),
        "relu_two": (6, 4, 4),
    }


def test_branches_are_taken_where_they_meet_and_a_change_before_any_activation_is_left_to_the_next(
    trace: Callable,
) -> None:
    assert found(trace(Branches()), 32) == {
        "input": (1, 32, 32),
        "cat": (8, 32, 32),
        "act_last": (4, 16, 16),
    }


@pytest.mark.parametrize("name", ["resnet18", "densenet161"])
def test_the_page_names_the_layers_of_the_papers_networks(name: str, trace: Callable) -> None:
    size = 64  # names are the same at any
    script = trace(timm.create_model(name, num_classes=3, in_chans=1), size)
    text = PAGE.read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
    assert re.findall(r"`([^`]+)`", row)[1:] == list(found(script, size))


def test_named_layers_are_answered_beside_the_logits_as_the_network_computes_them(
    residual: Callable, trace: Callable
) -> None:
    network = residual(1).eval()
    module, places = tapped(Network("a", InputSpec(size=32), trace(network)), ["down", "input", "elsewhere"])
    images = torch.rand(3, 1, 32, 32)
    with torch.no_grad():
        logits, (image, down) = module(images)
        torch.testing.assert_close(logits, network(images))
        torch.testing.assert_close(down, network.down(network.pool(network.relu(network.stem(images)))))
    assert image is images
    assert [place.name for place in places] == ["input", "down"]


def test_a_layer_that_is_not_there_is_answered_with_those_that_are(residual: Callable, trace: Callable) -> None:
    with pytest.raises(LayersUnknown, match="has no layer relu_to; `auto` finds input, relu, pool, relu_two") as caught:
        tapped(Network("a", InputSpec(size=32), trace(residual(0))), ["relu_to"])
    assert "similar names: relu_two" in str(caught.value)
