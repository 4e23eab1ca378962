"""A lifted network computes what its TorchScript copy computes, out of layers that are each used once."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torchvision.models as vision
from radiolucent.handlers import InputSpec
from radiolucent.handlers.lifting import NotDifferentiable, NotLiftable, check_fidelity, check_gradient, lift
from radiolucent.handlers.lifting.layers import NON_LINEAR
from torch import fx, nn

OURS = ("resnet18", "resnet34", "inception_v3", "inception_resnet_v2", "densenet161")
VISION = ("resnet18", "densenet121", "inception_v3", "googlenet", "mobilenet_v3_small", "efficientnet_b0", "vgg11_bn")


def trace(network: nn.Module, example: torch.Tensor) -> torch.jit.ScriptModule:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced: torch.jit.ScriptModule = torch.jit.trace(network, example, check_trace=False)
    return traced


def copy_of(network: nn.Module, size: int, channels: int = 1) -> torch.jit.ScriptModule:
    """A TorchScript copy as export writes it and the gateway reads it."""
    traced = trace(network.eval(), torch.rand(2, channels, size, size))
    memory = io.BytesIO()
    torch.jit.save(traced, memory)
    memory.seek(0)
    script: torch.jit.ScriptModule = torch.jit.load(memory).eval()
    for parameter in script.parameters():
        parameter.requires_grad_(False)
    return script


def assert_lifted(script: torch.jit.ScriptModule, size: int, channels: int) -> fx.GraphModule:
    lifted = lift(script)
    check_fidelity(lifted, script, InputSpec(size=size, channels=channels))
    images = torch.rand(3, channels, size, size)
    with torch.no_grad(), torch.jit.optimized_execution(False):
        assert torch.equal(lifted(images), script(images))
    called = [node.target for node in lifted.graph.nodes if node.op == "call_module"]
    assert len(called) == len(set(called))
    for node in lifted.graph.nodes:
        if node.op == "call_module" and isinstance(lifted.get_submodule(node.target), NON_LINEAR):
            (source,) = node.args
            assert source.target is torch.clone
            assert len(source.users) == 1
        assert not str(node.target).split(".")[-1].endswith("_")
    return lifted


@pytest.mark.parametrize("name", OURS)
def test_the_five_networks_are_lifted_bit_for_bit(name: str) -> None:
    torch.manual_seed(0)
    assert_lifted(copy_of(timm.create_model(name, in_chans=1, num_classes=3), 96), 96, 1)


@pytest.mark.parametrize("name", VISION)
def test_torchvisions_networks_are_lifted_bit_for_bit(name: str) -> None:
    torch.manual_seed(0)
    options = {"init_weights": False} if name in ("inception_v3", "googlenet") else {}
    network = getattr(vision, name)(weights=None, num_classes=3, **options)
    assert_lifted(copy_of(network, 96, 3), 96, 3)


def test_a_vision_transformer_is_lifted_where_its_trace_has_the_attention_in_it() -> None:
    torch.manual_seed(0)
    network = vision.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=3
    )
    nn.init.normal_(network.heads.head.weight)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        slow = copy_of(network, 32, 3)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    assert_lifted(slow, 32, 3)


def test_a_network_without_a_gradient_says_so() -> None:
    class Rounds(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return (batch > 0.5).float().flatten(1)[:, :2]

    with pytest.raises(NotDifferentiable, match="gradient"):
        check_gradient(copy_of(Rounds(), 16), InputSpec(size=16))
    check_gradient(copy_of(nn.Sequential(nn.Flatten(), nn.Linear(256, 2)), 16), InputSpec(size=16))


def test_layers_keep_their_names_their_kinds_and_their_weights() -> None:
    script = copy_of(vision.resnet18(weights=None, num_classes=2), 64, 3)
    lifted = lift(script)
    conv = lifted.get_submodule("layer1.0.conv1")
    assert type(conv) is nn.Conv2d
    assert conv.weight.data_ptr() == dict(script.named_modules())["layer1.0.conv1"].weight.data_ptr()
    assert isinstance(lifted.get_submodule("layer2.0.downsample.1"), nn.BatchNorm2d)
    # The block has one ReLU and uses it twice.
    assert type(lifted.get_submodule("layer1.0.relu")) is nn.ReLU
    assert type(lifted.get_submodule("layer1.0.relu_1")) is nn.ReLU
    assert not any(parameter.requires_grad for parameter in lifted.parameters())


def test_functional_activations_become_layers() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return nn.functional.max_pool2d(nn.functional.relu(self.conv(batch), inplace=True), 3, 2).mean((2, 3))

    lifted = assert_lifted(copy_of(Functional(), 16), 16, 1)
    kinds = [type(layer) for name, layer in lifted.named_modules() if name and not list(layer.children())]
    assert kinds == [nn.Conv2d, nn.ReLU, nn.MaxPool2d]


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "ELU": lambda: nn.ELU(0.7),
    "CELU": lambda: nn.CELU(0.5),
    "SELU": nn.SELU,
    "GELU": nn.GELU,
    "GELU, tanh": lambda: nn.GELU("tanh"),
    "SiLU": nn.SiLU,
    "Mish": nn.Mish,
    "LeakyReLU": lambda: nn.LeakyReLU(0.2),
    "PReLU": lambda: nn.PReLU(4),
    "ReLU6": nn.ReLU6,
    "Hardtanh": lambda: nn.Hardtanh(-0.2, 0.4),
    "Hardswish": nn.Hardswish,
    "Hardsigmoid": nn.Hardsigmoid,
    "Sigmoid": nn.Sigmoid,
    "LogSigmoid": nn.LogSigmoid,
    "Tanh": nn.Tanh,
    "Softplus": lambda: nn.Softplus(2, 10),
    "Softmax": lambda: nn.Softmax(1),
    "MaxPool2d": lambda: nn.MaxPool2d(3, 2, 1, dilation=1, ceil_mode=True),
    "MaxPool2d, dilated": lambda: nn.MaxPool2d(3, stride=1, dilation=2),
    "AvgPool2d": lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "AvgPool2d, divisor": lambda: nn.AvgPool2d(2, divisor_override=3),
    "AdaptiveAvgPool2d": lambda: nn.AdaptiveAvgPool2d((5, 3)),
    "AdaptiveMaxPool2d": lambda: nn.AdaptiveMaxPool2d(4),
    "GroupNorm": lambda: nn.GroupNorm(2, 4),
    "LayerNorm": lambda: nn.LayerNorm([14, 14]),
    "BatchNorm2d": lambda: nn.BatchNorm2d(4),
    "Conv2d, grouped": lambda: nn.Conv2d(4, 6, 3, padding="same", dilation=2, groups=2, bias=False),
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(4, 2, 3, stride=2, output_padding=1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_lifted_as_itself(name: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name]()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), layer, nn.Flatten(), nn.LazyLinear(2))
    network(torch.rand(1, 1, 16, 16))
    lifted = assert_lifted(copy_of(network, 16), 16, 1)
    assert isinstance(lifted.get_submodule("1"), type(layer))


def test_in_place_operators_become_out_of_place() -> None:
    class InPlace(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            planes = batch * 2
            planes.add_(batch).mul_(0.5).clamp_(0, 1)
            return planes.flatten(1)[:, :3].neg_()

    lifted = assert_lifted(copy_of(InPlace(), 16), 16, 1)
    images = torch.rand(2, 1, 16, 16)
    before = images.clone()
    lifted(images)
    assert torch.equal(images, before)


class WritesIntoAPart(nn.Module):
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        planes = batch * 1
        planes[:, :, :8].mul_(3)
        return planes.flatten(1)[:, 100:130]


class Shuffles(nn.Module):
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.flatten(1)[:, :3] + torch.rand(3)


def test_what_cannot_be_lifted_faithfully_is_found_out() -> None:
    script = copy_of(WritesIntoAPart(), 16)
    with pytest.raises(NotLiftable, match="outputs on a random batch of 1 differ"):
        check_fidelity(lift(script), script, InputSpec(size=16))
    random = copy_of(Shuffles(), 16)
    with pytest.raises(NotLiftable, match="differ"):
        check_fidelity(lift(random), random, InputSpec(size=16))


def test_control_flow_and_training_mode_are_refused_with_the_reason() -> None:
    class Branches(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            if float(batch.sum()) > 0:
                return batch.flatten(1)
            return -batch.flatten(1)

    with pytest.raises(NotLiftable, match="control flow"):
        lift(torch.jit.script(Branches()))
    training: Any = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(256, 2)).train()
    with pytest.raises(NotLiftable, match="training mode"):
        lift(trace(training, torch.rand(2, 1, 16, 16)))
    normalised: Any = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten()).train()
    with pytest.raises(NotLiftable, match="training mode"):
        lift(trace(normalised, torch.rand(2, 1, 16, 16)))


def test_hooks_see_every_layer_and_leave_when_they_are_removed() -> None:
    lifted = lift(copy_of(timm.create_model("resnet18", in_chans=1, num_classes=2), 64))
    seen: list[str] = []
    handles = [
        layer.register_forward_hook(lambda *_, name=name: seen.append(name))
        for name, layer in lifted.named_modules()
        if not list(layer.children())
    ]
    lifted(torch.rand(1, 1, 64, 64))
    for handle in handles:
        handle.remove()
    assert seen.count("layer4.1.act2") == 1
    assert len(seen) == len(handles)
