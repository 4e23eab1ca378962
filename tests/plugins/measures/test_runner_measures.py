"""Measures in a notebook."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from radiolucent.plugins import InvalidParameters, Parameters, UnknownMeasure
from radiolucent.plugins.measures import MEASURES, Family, Measure, MeasuredValue
from radiolucent.plugins.runner import explain


def test_every_measure_of_every_map_comes_with_it(convolutional: torch.nn.Module, small_image: torch.Tensor) -> None:
    found = explain(small_image, convolutional, "saliency", targets=[0, 1], measures=list(MEASURES))
    for one in found.maps:
        assert list(one.measured) == list(MEASURES)
        assert one.refused == {}
    assert found[0].measured["deletion"] != found[1].measured["deletion"]
    assert found.forward_passes == 1


def test_what_a_measure_does_to_its_map_neither_the_next_nor_the_caller_sees(
    convolutional: torch.nn.Module, small_image: torch.Tensor
) -> None:
    class Spoils(Measure[Parameters]):
        name, title, description, reference, variant = "spoils", "Spoils", "Spoils what it gets.", "None", "Ours."
        family, parameters, values = Family.COMPLEXITY, Parameters, (MeasuredValue("found", "A number."),)

        def measure(self, subject: Any, params: Any, job: Any) -> dict[str, float]:  # noqa: ANN401
            for one in (subject.image, subject.attribution, subject.heatmap):
                one.zero_()
            return {"found": 0.0}

        def cost(self, params: Any, shape: Any, passes: int) -> int:  # noqa: ANN401
            return 0

    (alone,) = explain(small_image, convolutional, "saliency", measures=["sparseness", "deletion"]).maps
    (after,) = explain(small_image, convolutional, "saliency", measures=[Spoils(), "sparseness", "deletion"]).maps
    assert torch.equal(after.values, alone.values)
    assert torch.equal(after.heatmap, alone.heatmap)
    assert {name: after.measured[name] for name in alone.measured} == alone.measured


def test_a_measure_takes_parameters(convolutional: torch.nn.Module, small_image: torch.Tensor) -> None:
    coarse, fine = (
        explain(small_image, convolutional, "saliency", measures={"deletion": {"steps": steps}}) for steps in (2, 8)
    )
    assert coarse.maps[0].measured["deletion"]["auc"] != fine.maps[0].measured["deletion"]["auc"]


def test_a_measure_that_does_not_apply_says_why(small_image: torch.Tensor) -> None:
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(320, 2))
    torch.nn.init.zeros_(flat[1].weight)
    (one,) = explain(small_image, flat, "saliency", targets=0, measures=["sparseness", "deletion"]).maps
    assert one.measured == {}
    assert "zero everywhere" in one.refused["deletion"]


def test_a_method_that_needs_modules_is_run_on_the_network_of_random_weights(
    convolutional: torch.nn.Module, small_image: torch.Tensor
) -> None:
    (one,) = explain(small_image, convolutional, "deep_lift", measures="efficient_mprt").maps
    assert one.measured["efficient_mprt"]["complexity_rise"] != 0


def test_wrong_measures_are_refused_before_anything_runs(small_image: torch.Tensor) -> None:
    with pytest.raises(UnknownMeasure):
        explain(small_image, "no such file", "saliency", measures="beauty")
    with pytest.raises(InvalidParameters, match="measure 'road'"):
        explain(small_image, "no such file", "saliency", measures={"road": {"speed": 1}})
