"""A method that breaks its contract is told what to mend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from radiolucent.plugins import Attribution, Channels, Completeness, InvalidResult, Registry, checked, facts_of, heatmap

Check = Callable[..., list[Attribution]]
SHAPE = (2, 3, 4)
GOOD = Attribution(0, torch.rand(SHAPE), 1.0, True)
NAN = GOOD.values.clone()
NAN[0, 0, 0] = float("nan")


@pytest.fixture
def check(registry: Registry) -> Check:
    def run(*attributions: object, method: str = "occlusion", targets: tuple[int, ...] = (0,)) -> list[Attribution]:
        return list(checked(registry.method(method), attributions, targets, SHAPE))  # type: ignore[arg-type]

    return run


def test_what_keeps_the_contract_goes_through(check: Check) -> None:
    partial = replace(GOOD, fraction=0.5, final=False)
    assert check(partial, partial, GOOD) == [partial, partial, GOOD]


@pytest.mark.parametrize(
    ("attribution", "text"),
    [
        (GOOD.values, "must yield Attribution, not Tensor"),
        (replace(GOOD, target=1), "target 1 was not asked for"),
        (replace(GOOD, values=GOOD.values.numpy()), "must be a torch.Tensor, not ndarray"),
        (replace(GOOD, values=GOOD.values[None]), r"shape \[2, 3, 4\], not \[1, 2, 3, 4\]"),
        (replace(GOOD, values=GOOD.values.double()), "float32, not torch.float64"),
        (replace(GOOD, values=GOOD.values.to("meta")), "on the CPU, not on meta"),
        (replace(GOOD, values=NAN), "finite"),
        (replace(GOOD, fraction=1.5, final=False), r"fraction must be in \[0, 1\]"),
        (replace(GOOD, fraction=0.9), "final map has fraction 1, not 0.9"),
        (replace(GOOD, convergence_delta=float("inf")), "finite number or None"),
        (replace(GOOD, convergence_delta=0.1), "completeness NONE"),
        (replace(GOOD, facts={"two words": 1.0}), "snake case, not 'two words'"),
        (replace(GOOD, facts={"share": float("nan")}), "facts must be finite numbers, and share is nan"),
        (replace(GOOD, final=False), r"targets \[0\] got no map with final=True"),
    ],
)
def test_what_breaks_it_is_named(check: Check, attribution: object, text: str) -> None:
    with pytest.raises(InvalidResult, match=text):
        check(attribution)


def test_nothing_comes_after_the_final_map(check: Check) -> None:
    with pytest.raises(InvalidResult, match="another map after its final one"):
        check(GOOD, GOOD)


def test_every_target_gets_a_final_map(check: Check) -> None:
    with pytest.raises(InvalidResult, match=r"targets \[2\] got no map"):
        check(GOOD, targets=(0, 2))


def test_an_exact_method_has_to_say_how_exact(check: Check) -> None:
    with pytest.raises(InvalidResult, match="completeness EXACT"):
        check(GOOD, method="integrated_gradients")


def test_an_unsigned_method_has_no_negative_values(check: Check) -> None:
    with pytest.raises(InvalidResult, match="signed = False"):
        check(replace(GOOD, values=-GOOD.values), method="saliency")


def test_a_heatmap_keeps_the_total_of_shares_and_the_peak_of_magnitudes() -> None:
    values = torch.randn(SHAPE)
    assert heatmap(values, signed=True).sum() == pytest.approx(float(values.sum()), abs=1e-5)
    assert torch.equal(heatmap(values.abs(), signed=False), values.abs().amax(dim=0))
    assert torch.equal(heatmap(values, signed=True, channels=Channels.REPEATED), values[0])


def test_built_in_methods_declare_what_they_are(registry: Registry) -> None:
    declared = {name: (method.signed, method.completeness) for name, method in registry.methods.items()}
    expected = {
        "integrated_gradients": (True, Completeness.EXACT),
        "occlusion": (True, Completeness.NONE),
        "saliency": (False, Completeness.NONE),
        "input_x_gradient": (True, Completeness.NONE),
        "smooth_grad": (True, Completeness.NONE),
        "smooth_grad_squared": (False, Completeness.NONE),
        "var_grad": (False, Completeness.NONE),
        "noise_tunnel_integrated_gradients": (False, Completeness.NONE),
        "gradient_shap": (True, Completeness.IN_EXPECTATION),
        "expected_gradients": (True, Completeness.IN_EXPECTATION),
    }
    assert declared.items() >= expected.items()


def test_a_convergence_delta_comes_with_the_change_that_it_is_measured_against() -> None:
    values = torch.full((1, 2, 2), 0.5)
    assert facts_of(Attribution(0, values, 1.0, final=True, convergence_delta=7.0)) == {"output_change": -5.0}
    assert facts_of(Attribution(0, values, 1.0, final=True, facts={"absorbed": 1})) == {"absorbed": 1.0}
