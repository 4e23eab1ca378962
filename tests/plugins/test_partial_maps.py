"""Partial maps come early, in order, and estimate the final one better and better."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from radiolucent.plugins import low_discrepancy_order, stages

Explain = Callable[..., Any]
STREAMING = [("integrated_gradients", {"steps": 40}), ("occlusion", {"window": 8})]
METHODS = [*STREAMING, ("saliency", {})]


def similarity(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])


@pytest.mark.parametrize(("method", "parameters"), STREAMING)
def test_the_first_map_comes_before_a_fifth_of_the_work(
    explain: Explain, image: torch.Tensor, method: str, parameters: dict[str, object]
) -> None:
    for targets in ((0,), (0, 1, 2, 3, 4)):
        assert explain(method, image, targets, **parameters).maps[0].fraction < 0.2


@pytest.mark.parametrize(("method", "parameters"), STREAMING)
def test_fractions_grow_and_no_partial_map_claims_to_be_complete(
    explain: Explain, image: torch.Tensor, method: str, parameters: dict[str, object]
) -> None:
    partial = explain(method, image, **parameters).partial(1)
    fractions = [one.fraction for one in partial]
    assert len(partial) >= 5
    assert fractions == sorted(set(fractions))
    assert fractions[-1] < 1
    assert all(one.convergence_delta is None for one in partial)


@pytest.mark.parametrize(("method", "parameters"), STREAMING)
def test_similarity_to_the_final_map_grows_on_average(
    explain: Explain, image: torch.Tensor, method: str, parameters: dict[str, object]
) -> None:
    result = explain(method, image, range(5), **parameters)
    curves = [
        [similarity(one.values, result.final(target).values) for one in result.partial(target)] for target in range(5)
    ]
    mean = np.mean(curves, axis=0)
    assert mean[0] > 0.5
    assert mean[-1] > 0.98
    assert np.polyfit(range(len(mean)), mean, 1)[0] > 0
    assert np.diff(mean).min() > -0.02


@pytest.mark.parametrize(
    ("method", "parameters"),
    [*METHODS, ("integrated_gradients", {"max_error": 1e-3}), ("rise", {"masks": 40}), ("lime", {"samples": 40})],
)
def test_where_nobody_looks_at_partial_maps_there_are_none_and_the_last_is_the_same(
    explain: Explain, recorder: type[Any], image: torch.Tensor, method: str, parameters: dict[str, object]
) -> None:
    watched, alone = (
        explain(method, image, **parameters),
        explain(method, image, job=recorder(wants_partial=False), **parameters),
    )
    assert all(one.final for one in alone.maps)
    for target in (1, 3):
        torch.testing.assert_close(alone.final(target).values, watched.final(target).values, rtol=1e-3, atol=1e-5)
    assert alone.job.reports[-1] == watched.job.reports[-1]


def test_work_that_stops_for_no_map_still_shows_how_far_it_is(
    explain: Explain, recorder: type[Any], image: torch.Tensor
) -> None:
    reports = explain("occlusion", image, job=recorder(wants_partial=False), window=4).job.reports
    steps = [done for done, _ in reports]
    assert max(after - before for before, after in pairwise(steps)) <= 32


@pytest.mark.parametrize(("method", "parameters"), METHODS)
def test_progress_ends_at_the_cost_and_never_goes_back(
    explain: Explain, image: torch.Tensor, method: str, parameters: dict[str, object]
) -> None:
    result = explain(method, image, **parameters)
    done = [one for one, _ in result.job.reports]
    assert {total for _, total in result.job.reports} == {result.cost}
    assert done == sorted(set(done))
    assert done[-1] == result.cost


@pytest.mark.parametrize(("targets", "passes"), [((0,), 26), ((0, 1, 2), 26)])
def test_targets_share_forward_passes(
    explain: Explain, image: torch.Tensor, targets: tuple[int, ...], passes: int
) -> None:
    assert explain("integrated_gradients", image, targets, steps=24).model.forward_passes == passes


def test_all_targets_of_an_occlusion_cost_one_sweep(explain: Explain, image: torch.Tensor) -> None:
    one, five = explain("occlusion", image, (0,)), explain("occlusion", image, range(5))
    assert one.cost == five.cost == one.model.forward_passes == five.model.forward_passes


@pytest.mark.parametrize("shape", [(1,), (2,), (50,), (64,), (1, 1), (1, 9), (15, 15), (7, 31)])
def test_the_order_visits_every_cell_once(shape: tuple[int, ...]) -> None:
    order = low_discrepancy_order(*shape)
    assert sorted(map(tuple, order.tolist())) == sorted(np.ndindex(*shape))


def test_every_beginning_of_the_order_is_spread_over_the_grid() -> None:
    order = low_discrepancy_order(32, 32)
    for count in (8, 16, 64, 256):
        quadrants = np.bincount(2 * (order[:count, 0] >= 16) + (order[:count, 1] >= 16), minlength=4)
        assert quadrants.max() - quadrants.min() <= 2


@pytest.mark.parametrize("total", [1, 2, 5, 50, 226, 13_690])
@pytest.mark.parametrize("batch", [1, 4, 300])
def test_stages_cover_the_work_and_partial_maps_stay_few(total: int, batch: int) -> None:
    parts = list(stages(total, batch))
    covered = [unit for part, _ in parts for unit in range(part.start, part.stop)]
    assert covered == list(range(total))
    assert all(part.stop - part.start <= batch for part, _ in parts)
    due = [part.stop for part, partial in parts if partial]
    assert len(due) <= 30
    assert total not in due
    if total >= 10:
        assert due[0] <= 0.1 * total


def test_stages_without_partial_maps_are_whole_batches() -> None:
    assert [(part.stop - part.start, due) for part, due in stages(50, 16, partial=False)] == [
        (16, False),
        (16, False),
        (16, False),
        (2, False),
    ]
