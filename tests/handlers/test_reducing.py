"""A network in bfloat16 computes nearly what it computes in float32, on any processor."""

from __future__ import annotations

import io

import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.handlers.incremental import IncrementalForward
from radiolucent.handlers.lifting import NotLiftable, check_reduced, fold, lift, reduce_precision
from torch import fx, nn


class Small(nn.Module):
    """Three convolutions with a shortcut, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
        self.one = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.other = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        planes = self.stem(batch)
        return self.head(torch.relu(planes + self.other(self.one(planes))))


@pytest.fixture
def lifted() -> fx.GraphModule:
    torch.manual_seed(0)
    memory = io.BytesIO()
    torch.jit.save(torch.jit.trace(Small().eval(), torch.rand(2, 1, 16, 16)), memory)
    memory.seek(0)
    return lift(torch.jit.load(memory).eval())


def gradient(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    points = images.clone().requires_grad_()
    return torch.autograd.grad(network(points)[:, 0].sum(), points)[0]


@pytest.mark.parametrize("folded", [False, True])
def test_outputs_and_gradients_stay_and_the_network_is_left_alone(lifted: fx.GraphModule, folded: bool) -> None:
    before = [parameter.clone() for parameter in lifted.parameters()]
    reduced = reduce_precision(fold(lifted) if folded else lifted)
    images = torch.rand(3, 1, 16, 16)
    expected, got = lifted(images), reduced(images)
    assert got.dtype is torch.float32
    assert not torch.equal(got, expected)
    torch.testing.assert_close(got, expected, rtol=0.02, atol=0.005)
    similarity = torch.cosine_similarity(gradient(reduced, images).flatten(), gradient(lifted, images).flatten(), 0)
    assert similarity > 0.99
    assert all(map(torch.equal, before, lifted.parameters()))


def test_the_ends_compute_in_float32_and_the_middle_in_bfloat16(lifted: fx.GraphModule) -> None:
    reduced = reduce_precision(lifted)
    types = {name: weight.dtype for name, weight in reduced.named_parameters() if name.endswith("weight")}
    assert types["stem.0.weight"] is types["head.2.weight"] is types["one.1.weight"] is torch.float32
    assert types["one.0.weight"] is types["other.weight"] is torch.bfloat16
    shared = {weight.data_ptr() for weight in lifted.parameters()}
    exact = {name: one for name, one in reduced.named_parameters() if one.dtype is torch.float32}
    anew = {name for name, weight in exact.items() if weight.data_ptr() not in shared}
    assert anew == {"stem.0.weight"}, "laid out channels-last"


def test_changed_windows_give_what_whole_images_give(lifted: fx.GraphModule) -> None:
    reduced = reduce_precision(fold(lifted))
    image, replacement = torch.rand(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    windows = [(slice(top, top + 4), slice(4, 8)) for top in range(0, 12, 3)]
    incremental = IncrementalForward(reduced, image)
    for chosen, outputs in incremental.batches(replacement, windows):
        for place, output in zip(chosen, outputs, strict=True):
            hidden = image.clone()
            hidden[0, :, windows[place][0], windows[place][1]] = 0
            torch.testing.assert_close(output, reduced(hidden)[0].detach(), rtol=0.02, atol=0.005)


def test_a_network_that_is_all_ends_stays_as_it_is() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(392, 2)).eval()
    memory = io.BytesIO()
    torch.jit.save(torch.jit.trace(network, torch.rand(2, 1, 16, 16)), memory)
    memory.seek(0)
    lifted = lift(torch.jit.load(memory).eval())
    images = torch.rand(2, 1, 16, 16)
    assert torch.equal(reduce_precision(lifted)(images), lifted(images))


def test_a_network_that_bfloat16_breaks_is_refused(lifted: fx.GraphModule) -> None:
    class Another(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return lifted(batch) * 2

    with pytest.raises(NotLiftable, match="does not survive bfloat16"):
        check_reduced(Another(), lifted, InputSpec(size=16))
