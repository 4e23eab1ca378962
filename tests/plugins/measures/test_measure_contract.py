"""What every measure keeps to."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from radiolucent.plugins import Cancelled, InvalidParameters, NotApplicable, UnknownMeasure, parameters_schema
from radiolucent.plugins.measures import (
    MEASURES,
    Better,
    Family,
    OtherNetwork,
    Subject,
    measure_by_name,
    measure_parameters,
)

Make = Callable[..., Subject]
Take = Callable[..., dict[str, float]]

every = pytest.mark.parametrize("name", MEASURES)


@every
def test_a_measure_gives_exactly_its_declared_numbers_and_they_are_finite(
    name: str, convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    found = take(name, subject_of(convolutional, small_image))
    assert list(found) == [value.name for value in MEASURES[name].values]
    assert all(math.isfinite(value) for value in found.values())


@every
def test_the_same_seed_gives_the_same_numbers(
    name: str, convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    torch.manual_seed(5)
    once = take(name, subject_of(convolutional, small_image))
    torch.manual_seed(6)
    state = torch.random.get_rng_state()
    again = take(name, subject_of(convolutional, small_image))
    assert once == again
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("name", [name for name in MEASURES if "seed" in MEASURES[name].parameters.model_fields])
def test_another_seed_draws_something_else(
    name: str, convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    subject = subject_of(convolutional, small_image)
    assert take(name, subject, seed=0) != take(name, subject, seed=1)


@every
def test_the_cost_is_the_passes_that_are_made(
    name: str,
    convolutional: torch.nn.Module,
    small_image: torch.Tensor,
    subject_of: Make,
    recorder: Callable[..., Any],
) -> None:
    runs = 0
    subject = subject_of(convolutional, small_image)

    def counted(image: torch.Tensor, network: OtherNetwork | None) -> torch.Tensor:
        nonlocal runs
        runs += 1
        return subject.again(image, network)

    watched = Subject(**{**vars(subject), "again": counted})
    measure, params, job = MEASURES[name], measure_parameters(name, {}), recorder()
    measure.measure(watched, params, job)
    cost = measure.cost(params, small_image.shape[1:], subject.passes)
    assert cost == subject.model.forward_passes + runs * subject.passes
    done = [report for report, _ in job.reports]
    assert done == sorted(done)
    assert all(total == cost for _, total in job.reports)
    assert cost == 0 or done[-1] == cost


@every
def test_what_is_shared_is_what_the_next_map_saves(
    name: str, convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    known: dict[Any, Any] = {}
    first, second = (subject_of(convolutional, small_image, known=known) for _ in range(2))
    assert take(name, first) == take(name, second)
    shared = MEASURES[name].shared(measure_parameters(name, {}), small_image.shape[1:])
    saved = first.model.forward_passes - second.model.forward_passes
    assert saved == (shared.passes if shared is not None else 0)


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "sparseness"])
def test_a_cancelled_measure_makes_no_further_pass(
    name: str,
    convolutional: torch.nn.Module,
    small_image: torch.Tensor,
    subject_of: Make,
    recorder: Callable[..., Any],
    take: Take,
) -> None:
    job = recorder()
    subject = subject_of(convolutional, small_image, job=job)
    job.cancel_at_check = job.checks + 2
    with pytest.raises(Cancelled):
        take(name, subject, job=job)
    assert job.checks == job.cancel_at_check


@every
def test_a_map_of_zeros_is_refused_with_words(
    name: str, convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    subject = subject_of(convolutional, small_image, torch.zeros(16, 20))
    with pytest.raises(NotApplicable, match="zero everywhere"):
        take(name, subject)
    assert subject.model.forward_passes == 0


@every
def test_a_measure_says_what_it_is(name: str) -> None:
    measure = MEASURES[name]
    assert measure.name == name
    assert all(text.strip() for text in (measure.title, measure.description, measure.reference, measure.variant))
    assert measure.family in Family
    assert all(value.description for value in measure.values)
    for field in parameters_schema(measure).get("properties", {}).values():
        assert field["description"]
        assert "default" in field


@pytest.mark.parametrize("name", ["smooth_mprt", "efficient_mprt"])
def test_nothing_is_ranked_by_randomisation(name: str) -> None:
    assert {value.better for value in MEASURES[name].values} == {Better.NEITHER}


def test_an_unknown_measure_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownMeasure, match="unknown measure 'deletions'; there are: deletion, "):
        measure_by_name("deletions")


def test_a_wrong_parameter_names_the_measure() -> None:
    with pytest.raises(InvalidParameters, match=r"measure 'deletion': steps: .*its parameters are: baseline"):
        measure_parameters("deletion", {"steps": "many"})
