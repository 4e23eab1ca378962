"""Layer-wise relevance propagation against closed forms, zennit on hand-merged networks, and its conservation."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from radiolucent.handlers import InputSpec
from radiolucent.handlers.lifting import lift
from radiolucent.plugins import Cancelled, NotApplicable, ObservedModel, Output, Registry
from radiolucent.plugins.methods.relevance_network import relevance_network
from torch import nn
from zennit.attribution import Gradient
from zennit.composites import COMPOSITES

Explain = Callable[..., Any]
Traced = Callable[..., nn.Module]
PLAIN = InputSpec(size=16)
COMPOSITE = ("epsilon_plus_flat", "epsilon_plus", "epsilon_alpha2_beta1", "epsilon_gamma_box", "epsilon")
TINY = 1e-9


@pytest.fixture
def small() -> torch.Tensor:
    return torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(4)) + 0.1


def awaken(network: nn.Module, *, biases: bool = True) -> nn.Module:
    """Give batch normalisations statistics and weights as training would, and take biases where asked to."""
    torch.manual_seed(8)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.2)
            nn.init.normal_(layer.bias, 0, 0.2)
            layer.running_mean.normal_(0, 0.2)  # type: ignore[union-attr]
            layer.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
        elif not biases and getattr(layer, "bias", None) is not None:
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return network.eval()


def input_x_gradient(network: nn.Module, image: torch.Tensor, target: int) -> torch.Tensor:
    points = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(points)[0, target], points)
    return (points * gradient)[0].detach()


class Mixed(nn.Module):
    """Everything that our networks are made of: merged and lone normalisations, sums, scalings, concatenations."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 6, 3, padding=1)
        self.after = nn.BatchNorm2d(6)
        self.before = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 6, 3, padding=1)
        self.third = nn.Conv2d(12, 8, 1)
        self.last = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 3)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        one = nn.functional.max_pool2d(self.after(self.first(batch)), 3, 2, 1)
        two = self.second(self.before(one).relu())
        both = torch.cat([one + two * 0.3, one.sub(two, alpha=0.5) / 2], dim=1)
        maps = nn.functional.avg_pool2d(self.third(both).relu(), 2)
        scores: torch.Tensor = self.head(self.last(maps).relu().mean((2, 3)))
        return scores


def bare() -> nn.Sequential:
    """A ReLU network without biases."""
    torch.manual_seed(9)
    layers = [nn.Conv2d(1, 6, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, bias=False), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 3, bias=False))


@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus"])
def test_of_a_linear_model_relevance_is_weight_times_input(
    explain: Explain, traced: Traced, small: torch.Tensor, composite: str
) -> None:
    torch.manual_seed(3)
    layer = nn.Linear(256, 2)
    network = traced(nn.Sequential(nn.Flatten(), layer), (1, 16, 16))
    values = explain("lrp", small, (1,), on=network, spec=PLAIN, composite=composite, epsilon=TINY).final(1).values
    torch.testing.assert_close(values, layer.weight.detach()[1].reshape(1, 16, 16) * small[0], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("build", [bare, Mixed])
def test_with_a_vanishing_epsilon_relevance_is_input_times_gradient(
    explain: Explain, traced: Traced, small: torch.Tensor, build: Callable[[], nn.Module]
) -> None:
    network = traced(awaken(build()), (1, 16, 16))
    values = explain("lrp", small, (2, 0), on=network, spec=PLAIN, composite="epsilon", epsilon=TINY).final(0).values
    torch.testing.assert_close(values, input_x_gradient(network, small, 0), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("composite", COMPOSITE)
def test_without_biases_all_relevance_reaches_the_pixels(
    explain: Explain, traced: Traced, small: torch.Tensor, composite: str
) -> None:
    network = traced(bare(), (1, 16, 16))
    result = explain("lrp", small, (0, 1), on=network, spec=PLAIN, composite=composite)
    for target in (0, 1):
        output = result.model.value(target)
        assert float(result.final(target).values.sum()) == pytest.approx(output, rel=1e-2)
        assert result.final(target).facts["absorbed"] == pytest.approx(0, abs=1e-2 * abs(output))


def test_what_biases_take_is_reported(explain: Explain, traced: Traced, small: torch.Tensor) -> None:
    torch.manual_seed(3)
    layer = nn.Linear(256, 2)
    network = traced(nn.Sequential(nn.Flatten(), layer), (1, 16, 16))
    linear = explain("lrp", small, (1,), on=network, spec=PLAIN, composite="epsilon", epsilon=TINY)
    assert linear.final(1).facts["absorbed"] == pytest.approx(float(layer.bias[1]), abs=1e-5)
    for composite in COMPOSITE:
        on = traced(awaken(Mixed()), (1, 16, 16))
        result = explain("lrp", small, (2,), on=on, spec=PLAIN, composite=composite)
        final = result.final(2)
        with torch.no_grad():
            output = float(on(small)[0, 2])
        assert float(final.values.sum()) + final.facts["absorbed"] == pytest.approx(output, abs=1e-5)
        assert abs(final.facts["absorbed"]) > 1e-3


@pytest.mark.parametrize(
    "composite", ["epsilon_plus", "epsilon_plus_flat", "epsilon_gamma_box", "epsilon_alpha2_beta1"]
)
def test_the_composites_are_zennits(explain: Explain, traced: Traced, small: torch.Tensor, composite: str) -> None:
    network = bare()
    options = {"low": 0.0, "high": 1.0} if composite == "epsilon_gamma_box" else {}
    with Gradient(network, COMPOSITES[composite](**options)) as zennits:
        _, expected = zennits(small.clone(), lambda output: output * torch.eye(3)[1])
    values = explain("lrp", small, (1,), on=traced(network, (1, 16, 16)), spec=PLAIN, composite=composite)
    torch.testing.assert_close(values.final(1).values, expected[0].detach())


@pytest.mark.parametrize("composite", COMPOSITE)
def test_a_norm_behind_a_convolution_is_merged_into_it(
    explain: Explain, traced: Traced, small: torch.Tensor, composite: str
) -> None:
    conv, norm, head = nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.Linear(6 * 14 * 14, 2)
    awaken(nn.Sequential(conv, norm, head))
    merged = nn.Conv2d(1, 6, 3)
    with torch.no_grad():
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()  # type: ignore[operator]
        merged.weight.copy_(conv.weight * scale[:, None, None, None])
        merged.bias.copy_((conv.bias - norm.running_mean) * scale + norm.bias)  # type: ignore[union-attr,operator]
    one, other = (
        explain(
            "lrp",
            small,
            (1,),
            on=traced(nn.Sequential(*trunk, nn.ReLU(), nn.Flatten(), head), (1, 16, 16)),
            spec=PLAIN,
            composite=composite,
        )
        for trunk in ((conv, norm), (merged,))
    )
    torch.testing.assert_close(one.final(1).values, other.final(1).values, rtol=1e-3, atol=1e-5)


def test_a_norm_before_a_convolution_is_as_if_merged_under_epsilon(
    explain: Explain, traced: Traced, small: torch.Tensor
) -> None:
    first, norm, conv, head = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3), nn.Linear(6 * 12 * 12, 2)
    awaken(nn.Sequential(first, norm, conv, head))
    merged = nn.Conv2d(4, 6, 3)
    with torch.no_grad():
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()  # type: ignore[operator]
        shift = norm.bias - norm.running_mean * scale  # type: ignore[operator]
        merged.weight.copy_(conv.weight * scale[:, None, None])
        merged.bias.copy_(conv.bias + (conv.weight.sum((2, 3)) @ shift))  # type: ignore[operator]
    maps = []
    for trunk in ((norm, conv), (merged,)):
        # A ReLU in between, so that the norm cannot be merged backwards.
        network = nn.Sequential(first, nn.ReLU(), *trunk, nn.ReLU(), nn.Flatten(), head)
        on = traced(network, (1, 16, 16))
        maps.append(explain("lrp", small, (0,), on=on, spec=PLAIN, composite="epsilon", epsilon=TINY).final(0).values)
    torch.testing.assert_close(*maps, rtol=1e-3, atol=1e-6)


def test_a_norm_before_a_convolution_shares_with_its_bias_under_the_other_rules(
    explain: Explain, traced: Traced, small: torch.Tensor
) -> None:
    # One pixel to one output: x through x * s + t. The pixel's part is |x s| / (|x s| + |t|) of the output.
    norm, head = nn.BatchNorm2d(1), nn.Linear(256, 1, bias=False)
    awaken(norm)
    with torch.no_grad():
        head.weight.zero_()
        head.weight[0, 37] = 1
    network = traced(nn.Sequential(norm, nn.ReLU(), nn.Flatten(), head), (1, 16, 16))
    image = small + 1
    values = explain("lrp", image, (0,), on=network, spec=PLAIN, composite="epsilon_plus").final(0).values
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()  # type: ignore[operator]
    shift = norm.bias - norm.running_mean * scale  # type: ignore[operator]
    product = float(image.flatten()[37] * scale)
    output = product + float(shift)
    assert output > 0
    expected = output * abs(product) / (abs(product) + abs(float(shift)))
    assert float(values.flatten()[37]) == pytest.approx(expected, rel=1e-4)
    assert float(values.abs().sum()) == pytest.approx(abs(expected), rel=1e-4)


def test_a_sum_splits_relevance_in_proportion_to_its_operands(explain: Explain, traced: Traced) -> None:
    class Adds(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            left, right = batch[..., :1], batch[..., 1:]
            return (left * 3 + right.sub(left, alpha=0.5) + 1).flatten(1)

    image = torch.tensor([[[[2.0, 4.0]]]])
    values = explain("lrp", image, (0,), on=traced(Adds(), (1, 1, 2)), spec=PLAIN, composite="epsilon_plus")
    # 3 * 2 + (4 - 1) + 1 = 10: the left pixel has 6 - 1, the right one 4, the constant 1.
    torch.testing.assert_close(values.final(0).values, torch.tensor([[[5.0, 4.0]]]), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("name", "size"), [("resnet18", 96), ("densenet121", 64)])
def test_whole_networks_keep_their_outputs_and_their_relevance(
    explain: Explain, traced: Traced, name: str, size: int
) -> None:
    torch.manual_seed(0)
    network = traced(awaken(timm.create_model(name, in_chans=1, num_classes=3)), (1, size, size))
    image = torch.rand(1, 1, size, size)
    form = lift(network)  # type: ignore[arg-type]
    rewritten = relevance_network(form)
    with torch.no_grad():
        torch.testing.assert_close(rewritten(image), form(image), rtol=1e-4, atol=1e-5)
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in form.modules())
    spec = InputSpec(size=size)
    exact = explain("lrp", image, (1,), on=network, spec=spec, composite="epsilon", epsilon=TINY).final(1).values
    expected = input_x_gradient(form, image, 1)
    assert float((exact - expected).abs().max() / expected.abs().max()) < 1e-3
    # Under z+ nothing is made up: what arrives has the output's sign and is no more than the output.
    result = explain("lrp", image, (1,), on=network, spec=spec, composite="epsilon_plus_flat")
    share = float(result.final(1).values.sum()) / result.model.value(1)
    assert 0 < share < 1


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.LayerNorm([14, 14])

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        maps = self.norm(self.conv(batch))
        return (maps * maps.sigmoid()).mean((2, 3))


def test_what_has_no_rule_is_refused_by_name(registry: Registry, traced: Traced) -> None:
    method = registry.method("lrp")
    with pytest.raises(NotApplicable, match=r"LayerNorm, Sigmoid, products of two signals \(gates\)"):
        method.check_network(lift(traced(Gate(), (1, 16, 16))))  # type: ignore[arg-type]

    class Attention(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            tokens = batch[:, 0]
            attended: torch.Tensor = nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
            return attended.flatten(1)

    with pytest.raises(NotApplicable, match="scaled_dot_product_attention"):
        method.check_network(lift(traced(Attention(), (1, 16, 16))))  # type: ignore[arg-type]


def test_a_probability_is_refused(explain: Explain, image: torch.Tensor) -> None:
    with pytest.raises(NotApplicable, match="logit"):
        explain("lrp", image, output=Output.PROBABILITY)


@pytest.mark.parametrize("composite", COMPOSITE)
def test_a_target_sees_only_what_it_looks_at(
    explain: Explain, traced: Traced, small: torch.Tensor, composite: str
) -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1, bias=False)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            maps = self.conv(batch).relu()
            return torch.stack([maps[..., :8].mean((1, 2, 3)), maps[..., 8:].mean((1, 2, 3))], dim=1)

    network = Halves()
    nn.init.ones_(network.conv.weight)
    result = explain("lrp", small, (0, 1), on=traced(network, (1, 16, 16)), spec=PLAIN, composite=composite)
    left, right = result.final(0).values[0], result.final(1).values[0]
    assert left[:, :8].abs().min() > 0
    assert left[:, 8:].abs().max() == 0
    assert right[:, 8:].abs().min() > 0
    assert right[:, :8].abs().max() == 0


def test_the_network_is_left_as_it_was_also_when_cancelled(
    registry: Registry, traced: Traced, small: torch.Tensor, recorder: type
) -> None:
    form = lift(traced(awaken(Mixed()), (1, 16, 16)))  # type: ignore[arg-type]
    weights = {name: value.clone() for name, value in form.state_dict().items()}
    before, code = form(small), form.code
    for check in (1, 2, 3, None):
        job = recorder(cancel_at_check=check)
        model = ObservedModel(form, job, spec=PLAIN, image=small)
        maps = registry.method("lrp").explain(model, small, (0, 1), registry.parameters("lrp", {}), job)
        if check is None:
            list(maps)
        else:
            with pytest.raises(Cancelled):
                list(maps)
        assert model.network is form
        assert form.code == code
        assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in model.modules())
    assert torch.equal(form(small), before)
    assert all(torch.equal(value, weights[name]) for name, value in form.state_dict().items())


def test_the_same_request_gives_the_same_bits_and_ends_at_its_cost(explain: Explain, image: torch.Tensor) -> None:
    one, other = (explain("lrp", image) for _ in range(2))
    assert torch.equal(one.final(3).values, other.final(3).values)
    assert not torch.allclose(one.final(3).values, one.final(1).values)
    assert one.job.reports[-1] == (one.cost, one.cost)


def test_a_number_that_is_added_keeps_the_signals_type(explain: Explain, traced: Traced, small: torch.Tensor) -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 4, 3, bias=False), nn.Linear(4, 2, bias=False)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return self.head(torch.relu(self.conv(batch * 0.5 + 0.1) - 0.05).mean((2, 3)))

    values = explain("lrp", small, (0,), on=traced(Shifted(), small.shape[1:]), spec=PLAIN).final(0).values
    assert values.dtype is torch.float32
    assert values.abs().max() > 0


def test_a_signal_times_itself_is_refused(explain: Explain, traced: Traced, small: torch.Tensor) -> None:
    class Itself(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            flat = batch.flatten(1)
            return (flat * flat)[:, :3]

    with pytest.raises(NotApplicable, match="products of two signals"):
        explain("lrp", small, (0,), on=traced(Itself(), small.shape[1:]), spec=PLAIN)


def held_bytes() -> int:
    """Memory of all tensors that Python knows of."""
    storages = [one.untyped_storage() for one in gc.get_objects() if type(one) in (torch.Tensor, nn.Parameter)]
    return sum({one.data_ptr(): one.nbytes() for one in storages}.values())


def test_the_copy_of_the_network_lets_go_of_its_weights_without_waiting_for_a_collection(
    explain: Explain, traced: Traced, small: torch.Tensor
) -> None:
    wide = nn.Sequential(
        nn.Conv2d(1, 512, 3), nn.BatchNorm2d(512), nn.ReLU(), nn.Conv2d(512, 64, 3), nn.BatchNorm2d(64)
    )
    network = traced(nn.Sequential(wide, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2)), (1, 16, 16))
    explain("lrp", small, (1,), on=network, spec=PLAIN)
    gc.collect()
    gc.disable()
    try:
        before = held_bytes()
        for _ in range(4):
            explain("lrp", small, (1,), on=network, spec=PLAIN)
        grown = held_bytes() - before
    finally:
        gc.enable()
    merged = 512 * 64 * 9 * 4  # bytes of the second convolution
    assert grown < merged / 2
