"""What a network can be explained with is found out from the network, and said with the reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.plugins import ExplainableNetwork, Job, Need, NotApplicable, ObservedModel, Registry
from torch import fx, nn

SPEC = InputSpec(size=16)
Traced = Callable[..., nn.Module]


class WritesIntoAPart(nn.Module):
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        planes = batch * 1
        planes[:, :, :8].mul_(3)
        return planes.flatten(1)[:, 100:130]


class Rounds(nn.Module):
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return (batch > 0.5).float().flatten(1)[:, :2]


def explainable(traced: Traced, network: nn.Module) -> ExplainableNetwork:
    return ExplainableNetwork(traced(network, (1, 16, 16)), SPEC)


def test_a_method_gets_the_copy_or_the_layers_as_it_needs(traced: Traced, registry: Registry) -> None:
    network = explainable(traced, nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(392, 2)))
    assert isinstance(network.form_for(registry.method("saliency")), torch.jit.ScriptModule)
    lifted = network.form_for(registry.method("deep_lift"))
    assert isinstance(lifted, fx.GraphModule)
    assert network.form_for(registry.method("guided_backprop")) is lifted
    found = network.applicability(registry.methods.values())
    assert found.missing == {}
    assert "deep_lift" not in found.refusals


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = (nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)) for _ in range(2))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.one(batch), self.other(batch)], 1).mean((2, 3))


def test_a_method_of_forward_passes_alone_gets_the_folded_network(traced: Traced, registry: Registry) -> None:
    network = explainable(traced, Branches())
    copied: list[int] = []
    network._before_copying = copied.append
    network.applicability(registry.methods.values())
    assert (network.copied_bytes, copied) == (0, [])  # asking what can explain it costs nothing
    folded = network.form_for(registry.method("occlusion"))
    assert folded is network.form_for(registry.method("rise"))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    assert 0 < network.copied_bytes <= copied[0]
    image = torch.rand(2, 1, 16, 16)
    torch.testing.assert_close(folded(image), network.form_for(registry.method("saliency"))(image))


@pytest.mark.parametrize(
    "averages", ["integrated_gradients", "smooth_grad", "gradient_shap", "expected_gradients", "xrai"]
)
def test_a_mean_of_gradients_gets_the_folded_network_and_a_single_one_the_copy(
    traced: Traced, registry: Registry, averages: str
) -> None:
    network = explainable(traced, Branches())
    assert network.form_for(registry.method(averages)) is network.folded()
    assert isinstance(network.folded(), fx.GraphModule)
    assert isinstance(network.form_for(registry.method("saliency")), torch.jit.ScriptModule)


class EndsInAPixelwiseConvolution(nn.Module):
    """Its last convolution commutes with the pooling behind it, and has a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1))
        self.head = nn.Sequential(nn.AvgPool2d(16), nn.Flatten(), nn.Linear(4, 2))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.head(self.first(batch))  # type: ignore[no-any-return]


@pytest.mark.parametrize("made", [Branches, EndsInAPixelwiseConvolution])
def test_a_class_activation_map_is_the_same_on_the_folded_network(
    traced: Traced, registry: Registry, recorder: Callable[[], Job], made: Callable[[], nn.Module]
) -> None:
    torch.manual_seed(0)
    network, method = explainable(traced, made()), registry.method("class_activation_map")
    image, params = torch.rand(1, 1, 16, 16), registry.parameters("class_activation_map", {})
    folded = network.form_for(method)
    assert folded is network.folded()
    assert isinstance(folded, fx.GraphModule)
    (one, other), (same, _) = (
        [*method.explain(ObservedModel(form, recorder(), spec=SPEC, image=image), image, (1, 0), params, recorder())]
        for form in (folded, network.lifted())
    )
    torch.testing.assert_close(one.values, same.values)
    assert one.facts["bias"] == pytest.approx(same.facts["bias"], abs=1e-6)
    assert not torch.allclose(one.values, other.values)


def test_where_nothing_is_folded_the_lifted_network_has_the_layers(
    traced: Traced, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = explainable(traced, Branches())
    monkeypatch.setattr(network, "_folded", network._script)
    assert network.form_for(registry.method("class_activation_map")) is network.lifted()


def test_a_network_is_looked_at_once_for_each_method(traced: Traced, registry: Registry) -> None:
    looked: list[nn.Module] = []

    class Looks(type(registry.method("saliency"))):  # type: ignore[misc]
        name = "looks"

        def check_network(self, network: nn.Module) -> None:
            looked.append(network)
            raise NotApplicable("there is a reason")

    network = explainable(traced, Branches())
    assert network.applicability([Looks()]).refusals == {"looks": "there is a reason"}
    with pytest.raises(NotApplicable, match="there is a reason"):
        network.form_for(Looks())
    assert len(looked) == 1


def test_what_cannot_be_lifted_keeps_its_forward_and_gradient_methods(traced: Traced, registry: Registry) -> None:
    network = explainable(traced, WritesIntoAPart())
    found = network.applicability(registry.methods.values())
    assert set(found.missing) == {Need.MODULES}
    assert "differ" in found.missing[Need.MODULES]
    refused = {name for name, method in registry.methods.items() if Need.MODULES in method.needs}
    assert set(found.refusals) == refused
    network.form_for(registry.method("integrated_gradients"))
    assert isinstance(network.form_for(registry.method("occlusion")), torch.jit.ScriptModule)
    with pytest.raises(NotApplicable, match="the network cannot be lifted faithfully"):
        network.form_for(registry.method("deep_lift"))


def test_without_a_gradient_only_forward_methods_remain(traced: Traced, registry: Registry) -> None:
    found = explainable(traced, Rounds()).applicability(registry.methods.values())
    assert set(found.missing) == {Need.GRADIENT, Need.MODULES}
    assert "occlusion" not in found.refusals
    assert "gradient" in found.refusals["saliency"]


def test_a_method_that_refuses_or_breaks_is_named_with_the_reason(traced: Traced, registry: Registry) -> None:
    saliency = registry.method("saliency")

    class Broken(type(saliency)):  # type: ignore[misc]
        name = "broken"

        def check_network(self, network: nn.Module) -> None:
            raise ZeroDivisionError

    network = explainable(traced, nn.Sequential(nn.Conv2d(1, 2, 3), nn.SiLU(), nn.Flatten(), nn.Linear(392, 2)))
    found = network.applicability([*registry.methods.values(), Broken()])
    assert "SiLU" in found.refusals["guided_backprop"]
    assert "ZeroDivisionError" in found.refusals["broken"]
    assert "saliency" not in found.refusals
