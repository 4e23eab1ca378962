"""The method keeps the contract, and sees a small bright spot."""

import numpy as np
import torch
from radiolucent.handlers import InputSpec
from radiolucent.plugins.conformance import MethodConformance
from radiolucent.plugins.runner import explain
from radiolucent_blur_ig import BlurIntegratedGradients


class TestBlurIntegratedGradients(MethodConformance):
    """Everything that the contract asks for."""

    method = BlurIntegratedGradients()


def test_a_spot_is_found_and_the_even_ground_is_not() -> None:
    """On a network that adds up everything, the map is the image minus the blurred one."""
    film = np.full((64, 64), 0.4, dtype=np.float32)
    film[30:34, 20:24] = 0.9
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64 * 64, 1))
    with torch.no_grad():
        network[1].weight.fill_(1.0)
    found = explain(film, network, BlurIntegratedGradients(), targets=0, spec=InputSpec(size=64))[0].heatmap
    assert found[30:34, 20:24].min() > 0.3
    assert found[:16, 48:].abs().max() < 0.01
