"""One table of what every built-in method gives where the answer is known; the tests below read it.

Equality with Captum and with other second implementations is tested method by method in ``tests/plugins``; what holds
for every method, a third party's too, in ``tests/conformance``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.handlers.lifting import lift
from radiolucent.plugins import Need, ObservedModel, checked, heatmap, load_registry
from scipy.stats import spearmanr
from torch import nn

Expected = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
REGISTRY = load_registry(())
SIDE = 16


@dataclass(frozen=True)
class Case:
    """What a method gives, with parameters that suit these small images.

    ``linear`` maps weights and image [1, H, W] of a network that is linear where pixels are positive to the map.
    ``kink`` is the map of f = relu(a + b - 1) at (0.9, 0.6), compared with black. ``mirrored``: whether the map of a
    mirror-symmetric image by a mirror-symmetric network is symmetric. A string is the reason why there is no such case.
    """

    linear: Expected | str
    kink: tuple[float, float] | str
    mirrored: bool | str = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    kink_parameters: Mapping[str, Any] = field(default_factory=dict)


DRAWN = "what is drawn is not symmetric"
SEGMENTS = "superpixels are not symmetric; closed forms in test_region_methods.py"
NO_MAPS = "the network has no feature maps"

TABLE: dict[str, Case] = {
    "saliency": Case(lambda w, x: w.abs(), (1.0, 1.0)),
    "input_x_gradient": Case(lambda w, x: w * x, (0.9, 0.6)),
    "integrated_gradients": Case(
        lambda w, x: w * x, (0.3, 0.2), parameters={"steps": 8}, kink_parameters={"steps": 2000}
    ),
    "deep_lift": Case(lambda w, x: w * x, (0.3, 0.2)),
    "deep_lift_shap": Case(
        lambda w, x: w * (x - 0.5), "the background is not black; closed forms in test_deep_lift.py"
    ),
    "guided_backprop": Case(lambda w, x: w.clamp(min=0), (1.0, 1.0)),
    "deconvolution": Case(lambda w, x: w.clamp(min=0), (1.0, 1.0)),
    "occlusion": Case(lambda w, x: w * x, (0.5, 0.5), parameters={"window": 1, "stride": 1}),
    "approximate_occlusion": Case(
        lambda w, x: w * x, (0.5, 0.5), parameters={"window": 1, "stride": 1}
    ),
    "lrp": Case(lambda w, x: w * x, (0.9, 0.6), parameters={"composite": "epsilon"}),
    "grad_cam": Case(lambda w, x: (w.mean() * x).clamp(min=0), NO_MAPS),
    "class_activation_map": Case(lambda w, x: w * x, NO_MAPS),
    "layer_cam": Case(lambda w, x: w.clamp(min=0) * x, NO_MAPS),
    "guided_grad_cam": Case(lambda w, x: w.clamp(min=0) * (w.mean() * x).clamp(min=0), NO_MAPS),
    "grad_cam_plus_plus": Case("its formula is that of an exponential; in test_cam_methods.py", NO_MAPS),
    "score_cam": Case("one channel has a weight of 1 whatever it says; in test_cam_methods.py", NO_MAPS),
    "smooth_grad": Case(lambda w, x: w, "noise crosses the kink", DRAWN, {"noise": 0.01}),
    "smooth_grad_squared": Case(lambda w, x: w**2, "noise crosses the kink", DRAWN, {"noise": 0.01}),
    "var_grad": Case(lambda w, x: torch.zeros_like(w), "noise crosses the kink", DRAWN, {"noise": 0.01}),
    "noise_tunnel_integrated_gradients": Case(
        "depends on the noise; in test_noise_methods.py", "noise crosses the kink", DRAWN, {"samples": 8, "steps": 8}
    ),
    "gradient_shap": Case("depends on what is drawn; in test_shap_methods.py", "the background is not black", DRAWN),
    "expected_gradients": Case("depends on the points; in test_shap_methods.py", "the background is not black", DRAWN),
    "feature_ablation": Case(
        SEGMENTS, (0.5, 0.5), SEGMENTS, kink_parameters={"segmentation": "grid", "segments": 2}
    ),
    "kernel_shap": Case(
        SEGMENTS,
        (0.25, 0.25),
        SEGMENTS,
        parameters={"samples": 200},
        kink_parameters={"segmentation": "grid", "segments": 2},
    ),
    "lime": Case(SEGMENTS, "a regularised fit; in test_region_methods.py", SEGMENTS, {"samples": 200}),
    "rise": Case("depends on the masks; in test_rise.py", "masks are coarser than two pixels", DRAWN, {"masks": 200}),
    "xrai": Case("a ranking of regions; in test_xrai.py", "one region", SEGMENTS, {"steps": 8}),
}  # fmt: skip

COMPARED: dict[str, dict[str, Any]] = {
    "occlusion": {"window": 4, "stride": 2},
    "approximate_occlusion": {"window": 4, "stride": 2},
    "lrp": {},
}
"""Other parameters for comparing methods with each other: windows of a pixel, and LRP's epsilon rule, which with a
vanishing epsilon is input x gradient on networks of ReLU without biases, are for the closed forms."""

IDENTITIES: dict[frozenset[str], str] = {
    frozenset(("occlusion", "approximate_occlusion")): "the one approximates the other",
}
"""Pairs of methods that are one and the same on a network like the trained one below, with the reason."""


class Quiet:
    wants_partial = False

    def check(self) -> None:
        pass

    def progress(self, done: int, total: int) -> None:
        pass


def traced(network: nn.Module, *shape: int) -> torch.jit.ScriptModule:
    script: torch.jit.ScriptModule = torch.jit.trace(network.eval(), torch.rand(2, *shape))
    for parameter in script.parameters():
        parameter.requires_grad_(False)
    return script


def explain(
    name: str, script: torch.jit.ScriptModule, image: torch.Tensor, parameters: Mapping[str, Any], target: int = 0
) -> torch.Tensor:
    method = REGISTRY.method(name)
    params = REGISTRY.parameters(name, parameters)
    network: nn.Module = lift(script) if Need.MODULES in method.needs_of(params) else script
    method.check_network(network)
    model = ObservedModel(network, Quiet(), spec=InputSpec(size=max(SIDE, image.shape[-1])), image=image)
    maps = checked(method, method.explain(model, image.clone(), (target,), params, Quiet()), (target,), image.shape[1:])
    (final,) = (one for one in maps if one.final)
    return final.values


def of_table(attribute: str, *parameters: str) -> Any:  # noqa: ANN401 - a mark
    cases = [
        pytest.param(
            name,
            getattr(case, attribute),
            {key: one for p in parameters for key, one in getattr(case, p).items()},
            id=name,
        )
        for name, case in TABLE.items()
        if not isinstance(getattr(case, attribute), str)
    ]
    return pytest.mark.parametrize(("name", "expected", "parameters"), cases)


def test_every_built_in_method_is_in_the_table() -> None:
    assert set(TABLE) == set(REGISTRY.methods)


@of_table("linear", "parameters")
def test_where_the_network_is_linear_the_map_is_known(
    name: str, expected: Expected, parameters: Mapping[str, Any]
) -> None:
    torch.manual_seed(1)
    conv, head = nn.Conv2d(1, 1, 1, bias=False), nn.Linear(SIDE**2, 1)
    nn.init.ones_(conv.weight)
    script = traced(nn.Sequential(conv, nn.ReLU(), nn.Flatten(), head), 1, SIDE, SIDE)
    image = torch.rand(1, 1, SIDE, SIDE) * 0.8 + 0.1
    weights = head.weight.detach().reshape(1, SIDE, SIDE) + 0.01  # so that their mean is not nothing
    with torch.no_grad():
        head.weight.add_(0.01)
    script = traced(nn.Sequential(conv, nn.ReLU(), nn.Flatten(), head), 1, SIDE, SIDE)
    values = explain(name, script, image, parameters)
    torch.testing.assert_close(values, expected(weights, image[0]), rtol=1e-3, atol=2e-5)


@of_table("kink", "parameters", "kink_parameters")
def test_at_a_kink_the_map_is_known(name: str, expected: tuple[float, float], parameters: Mapping[str, Any]) -> None:
    layer = nn.Linear(2, 1)
    nn.init.ones_(layer.weight)
    nn.init.constant_(layer.bias, -1.0)
    script = traced(nn.Sequential(nn.Flatten(), layer, nn.ReLU()), 1, 1, 2)
    values = explain(name, script, torch.tensor([[[[0.9, 0.6]]]]), parameters)
    torch.testing.assert_close(values.flatten(), torch.tensor(expected), rtol=0, atol=2e-3)


@of_table("mirrored", "parameters")
def test_what_is_symmetric_stays_symmetric(name: str, expected: bool, parameters: Mapping[str, Any]) -> None:
    torch.manual_seed(2)
    layers = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1),
    )  # fmt: skip
    with torch.no_grad():
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                layer.weight.copy_(layer.weight + layer.weight.flip(3))
        layers[-1].weight.abs_()
    half = torch.rand(1, 1, SIDE, SIDE // 2)
    values = explain(name, traced(layers, 1, SIDE, SIDE), torch.cat([half, half.flip(3)], dim=3), parameters)
    assert values.abs().max() > 0
    torch.testing.assert_close(values, values.flip(2), rtol=1e-3, atol=1e-4 * float(values.abs().max()))


@pytest.fixture(scope="module")
def trained() -> tuple[torch.jit.ScriptModule, torch.Tensor]:
    """A network that tells stripes from speckle, and an image with both."""
    torch.manual_seed(3)
    side = 32
    columns = torch.arange(side, dtype=torch.float32)

    def images(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        films = torch.rand(count, 1, side, side) * 0.5 + 0.2
        labels = torch.randint(0, 2, (count, 2)).float()
        for film, (stripes, disc) in zip(films, labels, strict=True):
            row, column = (int(one) for one in torch.randint(0, side - 12, (2,)))
            if stripes:
                film[0, row : row + 12, column : column + 12] = 0.5 + 0.4 * torch.sin(1.5 * columns[:12])
            if disc:
                film[0, 4:14, 18:28] += 0.3
        return films, labels

    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 2),
    )  # fmt: skip
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(150):
        films, labels = images(32)
        loss = nn.functional.binary_cross_entropy_with_logits(network(films), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    films, labels = images(64)
    with torch.no_grad():
        assert ((network.eval()(films) > 0) == labels.bool()).float().mean() > 0.9
    chosen = next(film for film, label in zip(films, labels, strict=True) if label.all())
    return traced(network, 1, side, side), chosen[None]


def test_no_two_methods_give_the_same_map_of_a_trained_network(
    trained: tuple[torch.jit.ScriptModule, torch.Tensor],
) -> None:
    script, image = trained
    planes = {}
    for name, case in TABLE.items():
        method = REGISTRY.method(name)
        values = explain(name, script, image, COMPARED.get(name, case.parameters))
        planes[name] = heatmap(values, signed=method.signed, channels=method.channels).flatten().numpy()
        assert np.ptp(planes[name]) > 0, name
    names = sorted(planes)
    correlation = spearmanr(np.stack([planes[name] for name in names], axis=1)).statistic
    same = {
        frozenset((one, other))
        for (i, one), (j, other) in combinations(enumerate(names), 2)
        if abs(correlation[i, j]) >= 0.999
    }
    assert same == set(IDENTITIES)
