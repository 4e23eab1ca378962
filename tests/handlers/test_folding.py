"""A folded network computes what the lifted one computes, with fewer operations."""

from __future__ import annotations

import io
import warnings

import pytest
import timm
import torch
from radiolucent.handlers import InputSpec
from radiolucent.handlers.lifting import NotLiftable, check_folding, fold, lift
from radiolucent.handlers.lifting.channels_last import channels_last
from torch import fx, nn


def copy_of(network: nn.Module, size: int = 16) -> torch.jit.ScriptModule:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = torch.jit.trace(network.eval(), torch.rand(2, 1, size, size), check_trace=False)
    memory = io.BytesIO()
    torch.jit.save(traced, memory)
    memory.seek(0)
    script: torch.jit.ScriptModule = torch.jit.load(memory).eval()
    return script


def awaken(network: nn.Module) -> nn.Module:
    """Give normalisations something to fold."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.weight.data, layer.bias.data, layer.running_mean, layer.running_var):
                assert tensor is not None
                tensor.uniform_(0.5, 1.5)
    return network


def outputs(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    points = images.clone().requires_grad_()
    found = network(points)
    return found.detach(), torch.autograd.grad(found.square().sum(), points)[0]


def folded(network: nn.Module, size: int = 16) -> fx.GraphModule:
    """Fold a network; compare in double precision, where rounding puts no unit on the other side of a kink."""
    lifted = lift(copy_of(awaken(network), size)).double()
    before = [parameter.clone() for parameter in lifted.parameters()]
    made = fold(lifted)
    images = torch.rand(3, 1, size, size, dtype=torch.float64)
    for got, expected in zip(outputs(made, images), outputs(lifted, images), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))
    assert all(map(torch.equal, before, lifted.parameters()))
    assert not any(node.target is torch.clone for node in made.graph.nodes)
    return made


def kinds(network: fx.GraphModule) -> list[type[nn.Module]]:
    layers = [network.get_submodule(str(node.target)) for node in network.graph.nodes if node.op == "call_module"]
    return [nn.Conv2d if isinstance(layer, nn.Conv2d) else type(layer) for layer in layers]


@pytest.mark.parametrize("name", ["resnet18", "inception_v3", "inception_resnet_v2", "densenet161"])
def test_the_networks_compute_the_same_folded(name: str) -> None:
    torch.manual_seed(0)
    network = timm.create_model(name, in_chans=1, num_classes=3)
    made = folded(network, 80)
    left = sum(isinstance(layer, nn.BatchNorm2d) for layer in made.modules())
    assert left == (82 if name == "densenet161" else 0)  # those that read a concatenation
    assert not any(node.target is torch.ops.aten.mul for node in made.graph.nodes)


def test_poolings_go_before_what_commutes_with_them() -> None:
    def network(pooling: nn.Module, *behind: nn.Module) -> nn.Module:
        first = (nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
        return nn.Sequential(*first, nn.Conv2d(4, 2, 1), pooling, *behind, nn.Flatten())

    last = nn.Conv2d(2, 2, 2)
    assert kinds(folded(network(nn.AvgPool2d(2), last))) == [
        nn.Conv2d,
        nn.MaxPool2d,
        nn.ReLU,
        nn.AvgPool2d,
        nn.Conv2d,
        nn.Conv2d,
    ]
    # At a border that counts, the bias would be missing.
    assert kinds(folded(network(nn.AvgPool2d(2, padding=1), last)))[-3:] == [nn.Conv2d, nn.AvgPool2d, nn.Conv2d]
    # The last feature maps stay: a class activation map is made of them.
    assert kinds(folded(network(nn.AvgPool2d(2))))[-2:] == [nn.Conv2d, nn.AvgPool2d]


class ReadTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        planes = self.conv(batch)
        return (self.norm(planes).relu() + planes.relu() * 0.5 + batch.relu().mean()).flatten(1)


def test_what_is_read_twice_is_neither_folded_nor_overwritten() -> None:
    torch.manual_seed(0)
    made = folded(ReadTwice())
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in made.modules()) == 1
    images = torch.rand(2, 1, 16, 16, dtype=torch.float64) - 0.5
    before = images.clone()
    made(images)
    assert torch.equal(images, before)


def test_a_network_that_computes_something_else_is_found_out() -> None:
    script = copy_of(awaken(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten())))
    made = fold(lift(script))
    check_folding(made, script, InputSpec(size=16))
    next(made.parameters()).data *= 1.001
    with pytest.raises(NotLiftable, match="differ"):
        check_folding(made, script, InputSpec(size=16))


def test_a_network_with_another_gradient_is_found_out() -> None:
    script = copy_of(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten()))

    class Halved(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return script((images + images.detach()) / 2)  # type: ignore[no-any-return]

    with pytest.raises(NotLiftable, match="gradient differs by 50%"):
        check_folding(Halved(), script, InputSpec(size=16))


def test_a_network_without_a_gradient_is_folded() -> None:
    class Counts(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return (images.mean((2, 3)) > 0).float()

    script = copy_of(Counts())
    check_folding(fold(lift(script)), script, InputSpec(size=16))


def test_a_grey_image_is_computed_channels_last_from_the_first_layer_on() -> None:
    given = torch.rand(2, 1, 16, 16)
    weight = torch.rand(4, 1, 3, 3)
    assert not torch.conv2d(given, weight.contiguous(memory_format=torch.channels_last)).is_contiguous(
        memory_format=torch.channels_last
    ), "one channel is both to PyTorch"
    laid = channels_last(weight)
    computed = torch.conv2d(given, laid)
    assert computed.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(laid, weight)
    assert channels_last(laid).data_ptr() == laid.data_ptr()
