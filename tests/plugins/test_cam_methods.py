"""Class activation maps against Captum, their papers' formulas, and closed forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import captum.attr
import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.handlers.lifting import lift
from radiolucent.plugins import Cancelled, NotApplicable, ObservedModel, Output, Registry
from torch import nn
from torch.nn import functional

Explain = Callable[..., Any]
Traced = Callable[..., nn.Module]
GRADIENT = ("grad_cam", "grad_cam_plus_plus", "layer_cam", "guided_grad_cam")
NAMED = (*GRADIENT, "score_cam")
"""Those whose layer can be named."""
ALL = (*NAMED, "class_activation_map")
LAYER = "4"
"""The last ReLU of the small network."""


def enlarge(plane: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(plane[None, None], image.shape[-2:], mode="bilinear", align_corners=False)[0]


def parts(network: nn.Module) -> tuple[nn.Module, nn.Module]:
    """The small network up to its last ReLU, and what comes behind it."""
    form = lift(network)  # type: ignore[arg-type]
    layers = [form.get_submodule(name) for name in ("0", "1", "2", "3", "4", "5", "7")]
    return nn.Sequential(*layers[:5]), nn.Sequential(layers[5], nn.Flatten(), layers[6])


def maps_and_gradient(network: nn.Module, image: torch.Tensor, target: int) -> tuple[torch.Tensor, torch.Tensor]:
    trunk, head = parts(network)
    maps = trunk(image).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(head(maps)[0, target], maps)
    return maps[0].detach(), gradient[0]


def paper_plus_plus(maps: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Equations 10 and 19, cell by cell."""
    weights = []
    for plane, slope in zip(maps.double(), gradient.double(), strict=True):
        alpha = slope**2 / (2 * slope**2 + plane.sum() * slope**3)
        weights.append((alpha * slope.relu())[slope != 0].sum())
    return sum(weight * plane for weight, plane in zip(weights, maps.double(), strict=True)).relu().float()  # type: ignore[union-attr]


FORMULAS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "grad_cam": lambda maps, gradient: torch.einsum("khw,k->hw", maps, gradient.mean((1, 2))).relu(),
    "grad_cam_plus_plus": paper_plus_plus,
    "layer_cam": lambda maps, gradient: (gradient.clamp(min=0) * maps).sum(0).clamp(min=0),
}


@pytest.mark.parametrize("target", [0, 3])
@pytest.mark.parametrize("method", FORMULAS)
def test_a_map_is_its_papers_formula(
    explain: Explain, network: nn.Module, image: torch.Tensor, method: str, target: int
) -> None:
    expected = enlarge(FORMULAS[method](*maps_and_gradient(network, image, target)), image)
    assert expected.max() > 0
    torch.testing.assert_close(explain(method, image, (3, 0)).final(target).values, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("relu", [True, False])
def test_grad_cam_is_captums_on_the_lifted_layer(
    explain: Explain, network: nn.Module, image: torch.Tensor, relu: bool
) -> None:
    form = lift(network)  # type: ignore[arg-type]
    captums = captum.attr.LayerGradCam(form, form.get_submodule(LAYER))
    plane = captums.attribute(image.clone().requires_grad_(), target=2, relu_attributions=relu)
    values = explain("grad_cam", image, (2,), relu=relu).final(2).values
    torch.testing.assert_close(values, enlarge(plane[0, 0].detach(), image))
    assert bool((values < 0).any()) is not relu


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
def test_guided_grad_cam_is_the_product_of_its_two(explain: Explain, network: nn.Module, image: torch.Tensor) -> None:
    guided = captum.attr.GuidedBackprop(lift(network)).attribute(image.clone().requires_grad_(), target=1)  # type: ignore[arg-type]
    expected = guided[0].detach() * explain("grad_cam", image, (1,)).final(1).values
    torch.testing.assert_close(explain("guided_grad_cam", image, (1,)).final(1).values, expected)


def test_a_class_activation_map_shows_the_terms_of_the_output(
    explain: Explain, network: nn.Module, image: torch.Tensor
) -> None:
    maps, gradient = maps_and_gradient(network, image, 3)
    cells = (maps * gradient).sum(0)
    result = explain("class_activation_map", image, (0, 3))
    torch.testing.assert_close(result.final(3).values, enlarge(cells, image), rtol=1e-4, atol=1e-6)
    _, head = parts(network)
    bias = float(head(torch.zeros(1, *maps.shape))[0, 3].detach())
    assert result.final(3).facts["bias"] == pytest.approx(bias, abs=1e-5)
    assert float(cells.sum()) + bias == pytest.approx(float(network(image)[0, 3]), abs=1e-5)
    assert result.model.forward_passes == 1, "both targets and the output come from one pass"


@pytest.mark.parametrize("bend", [nn.ReLU(), nn.Sigmoid(), nn.AdaptiveMaxPool2d(1)])
def test_no_class_activation_map_where_the_output_is_no_sum(
    explain: Explain, traced: Traced, image: torch.Tensor, bend: nn.Module
) -> None:
    pooling = (bend,) if isinstance(bend, nn.AdaptiveMaxPool2d) else (nn.AdaptiveAvgPool2d(1), bend)
    network = traced(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), *pooling, nn.Flatten(), nn.Linear(4, 2)))
    with pytest.raises(NotApplicable, match=r"no weighted sum over places\. Grad-CAM"):
        explain("class_activation_map", image, (0,), on=network)
    with pytest.raises(NotApplicable, match="let the logit be explained"):
        explain("class_activation_map", image, output=Output.PROBABILITY)


class Bypassed(nn.Module):
    """What comes before its last feature maps goes to the output beside them too."""

    def __init__(self) -> None:
        super().__init__()
        self.early, self.late = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(7, 2)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        early = self.early(batch).relu()
        return self.fc(torch.cat([self.late(early).relu().mean((2, 3)), early.mean((2, 3))], 1))  # type: ignore[no-any-return]


def test_no_class_activation_map_of_a_part_of_the_output(explain: Explain, traced: Traced, image: torch.Tensor) -> None:
    network = traced(Bypassed())
    with pytest.raises(NotApplicable, match="no sum over their places alone"):
        explain("class_activation_map", image, (0,), on=network)
    explain("grad_cam", image, (0,), on=network)


class Joined(nn.Module):
    """Its last feature maps are two joined, and taken by as many layers as it is told."""

    def __init__(self, takers: int) -> None:
        super().__init__()
        self.one, self.other, self.act = nn.Conv2d(1, 3, 3), nn.Conv2d(1, 3, 3), nn.ReLU()
        self.pools = nn.ModuleList(nn.AdaptiveAvgPool2d(1) for _ in range(takers))
        self.fc = nn.Linear(6 * takers, 2)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        maps = torch.cat([self.act(self.one(batch)), self.act(self.other(batch))], 1)
        return self.fc(torch.cat([pool(maps).flatten(1) for pool in self.pools], 1))  # type: ignore[no-any-return]


@pytest.mark.parametrize("takers", [1, 2])
@pytest.mark.parametrize("method", ["class_activation_map", "grad_cam", "layer_cam"])
def test_maps_are_found_whether_a_layer_gives_them_or_takes_them_or_neither(
    explain: Explain, traced: Traced, image: torch.Tensor, takers: int, method: str
) -> None:
    torch.manual_seed(8)
    network = Joined(takers)
    maps = torch.cat([network.one(image).relu(), network.other(image).relu()], 1).detach().requires_grad_()
    output = network.fc(torch.cat([maps.mean((2, 3))] * takers, 1))[0, 1]
    (gradient,) = torch.autograd.grad(output, maps)
    formulas = FORMULAS | {"class_activation_map": lambda maps, gradient: (maps * gradient).sum(0)}
    plane = formulas[method](maps.detach()[0], gradient[0])
    values = explain(method, image, (1,), on=traced(network)).final(1).values
    torch.testing.assert_close(values, enlarge(plane, image), rtol=1e-4, atol=1e-6)


def score_cam_by_hand(network: nn.Module, image: torch.Tensor, target: int, black: float) -> torch.Tensor:
    """Algorithm 1 of the paper, one channel after the other."""
    trunk, _ = parts(network)
    with torch.no_grad():
        scores, planes = [], []
        for plane in trunk(image)[0]:
            if plane.max() == plane.min():
                continue
            mask = enlarge(plane, image)
            mask = (mask - mask.min()) / (mask.max() - mask.min())
            scores.append(network(image * mask + black * (1 - mask))[0, target])
            planes.append(plane)
        weights = torch.stack(scores).exp() / torch.stack(scores).exp().sum()
        return sum(weight * plane for weight, plane in zip(weights, planes, strict=True)).relu()  # type: ignore[union-attr, no-any-return]


@pytest.mark.parametrize("batch", [1, 5])
def test_score_cam_is_its_papers_algorithm(
    explain: Explain, network: nn.Module, image: torch.Tensor, spec: InputSpec, batch: int
) -> None:
    result = explain("score_cam", image, (1, 4), internal_batch_size=batch)
    for target in (1, 4):
        expected = enlarge(score_cam_by_hand(network, image, target, -spec.mean / spec.std), image)
        torch.testing.assert_close(result.final(target).values, expected, rtol=1e-4, atol=1e-6)


def test_score_cam_of_several_targets_shares_its_passes_and_skips_flat_channels(
    explain: Explain, traced: Traced, image: torch.Tensor
) -> None:
    torch.manual_seed(5)
    conv = nn.Conv2d(1, 6, 3)
    with torch.no_grad():
        conv.weight[2] = 0
    network = traced(nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)))
    one, two = (explain("score_cam", image, targets, on=network) for targets in ((0,), (0, 2)))
    assert one.model.forward_passes == two.model.forward_passes == 1 + 5
    assert torch.equal(one.final(0).values, two.final(0).values)


@pytest.fixture
def many_channels(traced: Traced) -> nn.Module:
    torch.manual_seed(6)
    return traced(
        nn.Sequential(
            nn.Conv2d(1, 60, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(60, 2, bias=False)
        )
    )


def test_partial_maps_of_score_cam_come_early_and_near_the_final_one(
    explain: Explain, many_channels: nn.Module, image: torch.Tensor
) -> None:
    result = explain("score_cam", image, (1,), on=many_channels)
    partial, final = result.partial(1), result.final(1).values
    assert partial[0].fraction < 0.2
    errors = [float((one.values - final).norm() / final.norm()) for one in partial]
    similar = [float(torch.corrcoef(torch.stack([one.values.flatten(), final.flatten()]))[0, 1]) for one in partial]
    assert errors[-1] < 0.5 * errors[0]
    assert similar[-1] > 0.98
    assert similar[-1] > similar[0]


def test_score_cam_of_fewer_channels_takes_those_of_the_largest_values(
    explain: Explain, many_channels: nn.Module, image: torch.Tensor
) -> None:
    few = explain("score_cam", image, (1,), on=many_channels, channels=8)
    assert few.model.forward_passes == 9 == few.cost
    assert few.job.reports[-1] == (9, 9)
    first = explain("score_cam", image, (1,), on=many_channels).partial(1)[0]
    assert first.fraction == pytest.approx(6 / 60)
    six = explain("score_cam", image, (1,), on=many_channels, channels=6)
    torch.testing.assert_close(six.final(1).values, first.values)


def test_layers_without_any_contrast_are_refused(explain: Explain, traced: Traced, image: torch.Tensor) -> None:
    conv = nn.Conv2d(1, 4, 3)
    nn.init.zeros_(conv.weight)
    network = traced(nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    with pytest.raises(NotApplicable, match="the same everywhere"):
        explain("score_cam", image, (0,), on=network)


def test_grad_cam_plus_plus_refuses_negative_maps_that_break_its_weights(
    explain: Explain, traced: Traced, image: torch.Tensor
) -> None:
    conv = nn.Conv2d(1, 2, 3)
    with torch.no_grad():
        conv.weight.zero_()
        conv.bias.fill_(-1)  # type: ignore[union-attr]
    network = traced(nn.Sequential(conv, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(2 * 19 * 25, 2)))
    with pytest.raises(NotApplicable, match="behind a ReLU"):
        explain("grad_cam_plus_plus", image, (0,), on=network)


def test_maps_lie_where_the_target_looks(explain: Explain, traced: Traced) -> None:
    class Halves(nn.Module):
        """The first feature is seen in the left half and speaks for the first target; the second in the right."""

        sides: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1, bias=False)
            nn.init.ones_(self.conv.weight)
            sides = torch.zeros(2, 1, 16)
            sides[0, :, :8] = sides[1, :, 8:] = 1
            self.register_buffer("sides", sides)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            maps = self.conv(batch).relu() * self.sides
            return 50 * maps.mean((2, 3))

    image = torch.rand(1, 1, 16, 16) + 0.1
    for method in ALL:
        result = explain(method, image, (0, 1), on=traced(Halves(), (1, 16, 16)), spec=InputSpec(size=16))
        left, right = result.final(0).values[0], result.final(1).values[0]
        assert left[:, :6].abs().sum() > 20 * left[:, 10:].abs().sum(), method
        assert right[:, 10:].abs().sum() > 20 * right[:, :6].abs().sum(), method


def test_a_layer_can_be_named(explain: Explain, network: nn.Module, image: torch.Tensor) -> None:
    for method in NAMED:
        default, named, other = (
            explain(method, image, (1,), **layer).final(1).values for layer in ({}, {"layer": LAYER}, {"layer": "1"})
        )
        assert torch.equal(default, named)
        assert not torch.allclose(default, other)
        with pytest.raises(NotApplicable, match="no layer 'layer4'"):
            explain(method, image, (1,), layer="layer4")


@pytest.mark.parametrize("method", ALL)
def test_channels_of_a_colour_network_get_the_same_map(explain: Explain, traced: Traced, method: str) -> None:
    torch.manual_seed(7)
    network = traced(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (3, 20, 20))
    image = torch.rand(1, 3, 20, 20)
    values = explain(method, image, (0,), on=network, spec=InputSpec(size=20, channels=3)).final(0).values
    assert values.shape == (3, 20, 20)
    assert torch.equal(values[0], values[2]) is (method != "guided_grad_cam")


@pytest.mark.parametrize("method", ALL)
def test_the_network_is_left_as_it_was_also_when_cancelled(
    registry: Registry, network: nn.Module, image: torch.Tensor, spec: InputSpec, recorder: type, method: str
) -> None:
    form = lift(network)  # type: ignore[arg-type]
    before, code = form(image), form.code
    for check in (1, 2, None):
        job = recorder(cancel_at_check=check)
        model = ObservedModel(form, job, spec=spec, image=image)
        maps = registry.method(method).explain(model, image, (0, 1), registry.parameters(method, {}), job)
        if check is None:
            list(maps)
        else:
            with pytest.raises(Cancelled):
                list(maps)
            assert job.checks == check
        assert model.network is form
        assert form.code == code
        for layer in model.modules():
            assert not layer._forward_hooks
            assert not layer._forward_pre_hooks
            assert not layer._backward_hooks
            assert not layer._backward_pre_hooks
    assert torch.equal(form(image), before)
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in form.parameters())


@pytest.mark.parametrize("method", ALL)
def test_progress_ends_at_the_cost(explain: Explain, image: torch.Tensor, method: str) -> None:
    result = explain(method, image)
    assert result.job.reports[-1] == (result.cost, result.cost)
    done = [done for done, _ in result.job.reports]
    assert done == sorted(done)
