"""The five networks take grey films, and weights from a file through timm's own code."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from radiolucent.training.errors import WeightsError
from radiolucent.training.networks import NETWORKS, build_network


@pytest.mark.parametrize("name", list(NETWORKS))
def test_each_network_maps_a_grey_film_to_one_logit_per_label(name: str) -> None:
    network = build_network(name, 4).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 1, 96, 96)).shape == (1, 4)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_no_label_is_likelier_than_another_at_the_start(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, 4)
    films = torch.rand(4, 1, 96, 96)
    with torch.no_grad():
        network(films)  # batch statistics are those of the films
        assert network(films).abs().max() < 1


def test_colour_weights_from_a_file_become_grey_ones(tmp_path: Path) -> None:
    torch.manual_seed(0)
    colour = timm.create_model("resnet18", num_classes=1000)
    torch.save(colour.state_dict(), tmp_path / "weights.pth")
    network = build_network("resnet18", 3, str(tmp_path / "weights.pth"))
    ours, theirs = network.state_dict(), colour.state_dict()
    torch.testing.assert_close(ours["conv1.weight"], theirs["conv1.weight"].sum(dim=1, keepdim=True))
    torch.testing.assert_close(ours["layer4.1.conv2.weight"], theirs["layer4.1.conv2.weight"])
    assert ours["fc.weight"].shape == (3, 512)
    assert ours["fc.weight"].std() < 0.011
    kept = build_network("resnet18", 1000, str(tmp_path / "weights.pth")).state_dict()
    torch.testing.assert_close(kept["fc.weight"], colour.state_dict()["fc.weight"])


def test_the_wrong_weights_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        build_network("resnet18", 3, str(tmp_path / "missing.pth"))
    torch.save({"something": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"resnet18.*has no weights for 20 of its layers"):
        build_network("resnet18", 3, str(tmp_path / "other.pth"))
