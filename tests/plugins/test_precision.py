"""bfloat16 is asked for by name, and says of every map what it did to the output."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.plugins import ExplainableNetwork, NotApplicable, Precision, Registry
from radiolucent.plugins.methods.saliency import Saliency
from radiolucent.plugins.runner import explain
from torch import fx, nn

SPEC = InputSpec(size=16)
Traced = Callable[..., nn.Module]


@pytest.fixture(scope="module")
def deep() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 3)).eval()


@pytest.fixture
def seen() -> torch.Tensor:
    return torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("method", ["saliency", "occlusion", "integrated_gradients", "grad_cam", "guided_backprop"])
def test_maps_stay_and_say_what_became_of_the_output(deep: nn.Module, seen: torch.Tensor, method: str) -> None:
    exact, reduced = (explain(seen, deep, method, targets=1, precision=precision) for precision in Precision)
    assert (exact.precision, reduced.precision) == (Precision.FLOAT32, Precision.BFLOAT16)
    assert "bfloat16_error" not in exact[1].facts
    error = reduced[1].facts["bfloat16_error"]
    assert error == pytest.approx(reduced[1].output_value - exact[1].output_value, abs=1e-6)
    assert error != 0
    maps = torch.stack([one[1].heatmap.flatten() for one in (exact, reduced)])
    assert torch.corrcoef(maps)[0, 1] > 0.95


def test_measures_are_taken_in_the_precision_of_the_map(deep: nn.Module, seen: torch.Tensor) -> None:
    exact, reduced = (
        explain(seen, deep, "saliency", targets=1, measures={"deletion": {"steps": 4}}, precision=precision)
        for precision in Precision
    )
    one, other = (found[1].measured["deletion"] for found in (exact, reduced))
    assert one != other
    assert one == pytest.approx(other, rel=0.2, abs=0.05)


def test_each_form_is_made_once_and_its_weights_are_counted(
    traced: Traced, deep: nn.Module, registry: Registry
) -> None:
    network = ExplainableNetwork(traced(deep, (1, 16, 16)), SPEC)
    reduced = network.at(Precision.BFLOAT16)
    assert network.copied_bytes == 0
    form = reduced.form_for(registry.method("occlusion"))
    assert form is reduced.form_for(registry.method("saliency")) is reduced.folded()
    copied = network.copied_bytes
    assert copied > 0
    layers = reduced.form_for(registry.method("grad_cam"))
    assert isinstance(layers, fx.GraphModule)
    assert layers is not form
    assert network.copied_bytes > copied


def test_a_method_whose_maps_do_not_survive_is_refused_with_its_reason(deep: nn.Module, seen: torch.Tensor) -> None:
    class Fragile(Saliency):
        needs_float32 = "it divides by small differences"

    with pytest.raises(NotApplicable, match="not computed in bfloat16: it divides by small differences"):
        explain(seen, deep, Fragile(), targets=1, precision=Precision.BFLOAT16)


def test_a_network_that_cannot_be_lifted_is_refused_with_the_reason(seen: torch.Tensor) -> None:
    class Chooses(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return batch.flatten(1)[:, :2] if batch.sum() > 0 else batch.flatten(1)[:, 1:3]

    with pytest.raises(
        NotApplicable, match="bfloat16 is made from the lifted network, and the network has control flow"
    ):
        explain(seen, torch.jit.script(Chooses()), "occlusion", targets=0, precision=Precision.BFLOAT16)
