"""Which feature maps a class activation map is made of."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from radiolucent.handlers.lifting import lift
from radiolucent.plugins import NotApplicable
from radiolucent.plugins.methods.layer_choice import choose_map, layer_name, named_maps
from torch import fx, nn

Traced = Callable[..., nn.Module]


def lifted(traced: Traced, network: nn.Module, size: int = 64, channels: int = 1) -> fx.GraphModule:
    torch.manual_seed(0)
    graph: fx.GraphModule = lift(traced(network, (channels, size, size)))  # type: ignore[arg-type]
    return graph


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("resnet18", 64, "layer4.1.act2"),
        ("densenet121", 64, "features.norm5.act"),
        ("inception_v3", 96, "cat_14"),
        ("mobilenetv3_small_050", 64, "blocks.5.0.bn1.act"),  # the convolution behind its pooling is not it
    ],
)
def test_the_last_maps_before_the_pooling_are_chosen(traced: Traced, name: str, size: int, expected: str) -> None:
    network = lifted(traced, timm.create_model(name, in_chans=1, num_classes=2), size)
    assert layer_name(choose_map(network)) == expected


class PoolsInAFunction(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        planes: torch.Tensor = self.head((self.conv(batch) * 2).mean((2, 3)))
        return planes


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (PoolsInAFunction(), "mul"),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AvgPool2d(62), nn.Flatten()), "1"),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(7), nn.Flatten()), "0"),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(9), nn.Conv2d(4, 2, 1), nn.Flatten()), "2"),
    ],
)
def test_any_way_of_pooling_is_seen(traced: Traced, network: nn.Module, expected: str) -> None:
    assert layer_name(choose_map(lifted(traced, network))) == expected


def test_maps_that_pass_through_channels_last_are_followed(traced: Traced) -> None:
    network = lifted(traced, timm.create_model("convnext_atto", num_classes=2), channels=3)
    chosen = choose_map(network)
    assert list(named_maps(network).values())[-3:].count(chosen) == 1
    assert chosen.target is torch.ops.aten.add


def test_what_was_chosen_once_is_found_again_in_the_same_network_alone(traced: Traced) -> None:
    network = lifted(traced, nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    chosen = choose_map(network)
    assert choose_map(network) is chosen
    copied = choose_map(copy.deepcopy(network))
    assert copied.name == chosen.name
    assert copied.graph is not chosen.graph


def test_a_layer_is_found_by_its_name_and_a_wrong_one_gets_suggestions(traced: Traced) -> None:
    network = lifted(traced, timm.create_model("resnet18", in_chans=1, num_classes=2))
    assert layer_name(choose_map(network, "layer3.0.bn1")) == "layer3.0.bn1"
    with pytest.raises(NotApplicable, match=r"no layer 'layer3\.1\.act3'.*'layer3\.1\.act2'"):
        choose_map(network, "layer3.1.act3")
    with pytest.raises(NotApplicable, match=r"'layer4' is a block.*'layer4\.1\.act2'"):
        choose_map(network, "layer4")
    with pytest.raises(NotApplicable, match="'fc' has no convolutional feature maps"):
        choose_map(network, "fc")


class Attends(nn.Module):
    """Patches, one layer of attention, and a head, as a vision transformer has them."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 8, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(batch).flatten(2).transpose(1, 2)
        tokens = torch.softmax(tokens @ tokens.transpose(1, 2), dim=-1) @ tokens
        scores: torch.Tensor = self.head(tokens.mean(1))
        return scores


def test_a_transformer_is_refused_with_what_it_has_instead(traced: Traced) -> None:
    with pytest.raises(NotApplicable, match=r"'patches'.*tokens.*matmul.*vision transformer"):
        choose_map(lifted(traced, Attends()))


def test_a_network_without_convolutions_is_refused(traced: Traced) -> None:
    with pytest.raises(NotApplicable, match="no convolutional feature maps"):
        choose_map(lifted(traced, nn.Sequential(nn.Flatten(), nn.Linear(64 * 64, 2))))


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_plus_plus", "layer_cam", "score_cam", "guided_grad_cam"])
def test_maps_too_small_to_say_where_are_refused_with_the_remedy(
    explain: Callable[..., Any], traced: Traced, method: str
) -> None:
    torch.manual_seed(0)
    network = traced(timm.create_model("resnet18", in_chans=1, num_classes=2), (1, 64, 64))
    image = torch.rand(1, 1, 64, 64)
    with pytest.raises(NotApplicable, match=r"2 x 2 cells.*64 x 64.*3 x 3.*'layer3\.1\.act2'.*larger input"):
        explain(method, image, (0,), on=network)
    finer = explain(method, image, (0,), on=network, layer="layer3.1.act2", **_few(method))
    assert finer.final(0).values.std() > 0


def _few(method: str) -> dict[str, int]:
    return {"channels": 8} if method == "score_cam" else {}
