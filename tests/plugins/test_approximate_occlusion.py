"""Approximate occlusion computes as many windows as its error allows, and is honest about what it misses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.plugins.methods.approximate_occlusion import ApproximateOcclusion
from radiolucent.plugins.methods.interpolation import interpolated
from radiolucent.plugins.methods.window_order import window_order
from torch import nn

Explain = Callable[..., Any]
METHOD = "approximate_occlusion"
SIDE = 96
PLAIN = InputSpec(size=SIDE, channels=1)
FINE = {"window": 12, "stride": 2}


class Weighed(nn.Module):
    """Sums of the image by weights: the effect of a window is the sum of weights in it."""

    def __init__(self, *weights: torch.Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.stack(weights).flatten(1))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.flatten(1) @ self.weights.T


def smooth() -> torch.Tensor:
    across = torch.linspace(0, 3, SIDE)
    return torch.sin(across)[:, None] * torch.cos(2 * across)[None]


def spiky() -> torch.Tensor:
    points = torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return (points > 0.99).float() * torch.where(points > 0.995, 1.0, -1.0)


@pytest.fixture(scope="module")
def surfaces(traced: Callable[..., nn.Module]) -> nn.Module:
    return traced(Weighed(smooth(), spiky()), (1, SIDE, SIDE))


@pytest.fixture(scope="module")
def exact(explain: Explain, surfaces: nn.Module) -> Callable[[int], torch.Tensor]:
    result = explain("occlusion", WHITE, (0, 1), on=surfaces, spec=PLAIN, **FINE)
    return lambda target: result.final(target).values


WHITE = torch.ones(1, 1, SIDE, SIDE)
SMOOTH, SPIKY = 0, 1


def error(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / (other.max() - other.min()))


@pytest.mark.parametrize("target", [SMOOTH, SPIKY])
@pytest.mark.parametrize("allowed", [0.1, 0.03])
def test_the_error_is_no_more_than_it_says(
    explain: Explain, surfaces: nn.Module, exact: Callable[[int], torch.Tensor], target: int, allowed: float
) -> None:
    final = explain(METHOD, WHITE, (target,), on=surfaces, spec=PLAIN, max_error=allowed, **FINE).final(target)
    said = final.facts["estimated_error"]
    assert error(final.values, exact(target)) <= said * 1.05
    assert said <= allowed


def test_a_smooth_map_takes_fewer_windows_than_a_spiky_one_and_the_worst_label_decides(
    explain: Explain, surfaces: nn.Module
) -> None:
    def windows(*targets: int) -> float:
        result = explain(METHOD, WHITE, targets, on=surfaces, spec=PLAIN, max_error=0.03, **FINE)
        assert result.model.forward_passes == 1 + result.final(targets[0]).facts["windows"]
        return float(result.final(targets[0]).facts["windows"])

    assert windows(SMOOTH) < 200 < windows(SPIKY)
    assert windows(SMOOTH, SPIKY) == windows(SPIKY)


def test_without_an_allowed_error_it_ends_at_the_map_of_occlusion(
    explain: Explain, surfaces: nn.Module, exact: Callable[[int], torch.Tensor]
) -> None:
    result = explain(METHOD, WHITE, (0, 1), on=surfaces, spec=PLAIN, max_error=0, **FINE)
    for target in (SMOOTH, SPIKY):
        final = result.final(target)
        torch.testing.assert_close(final.values, exact(target), rtol=1e-5, atol=1e-5)
        assert final.facts == {"windows": 43**2, "all_windows": 43**2, "estimated_error": 0}
        errors = [one.facts["estimated_error"] for one in result.partial(target) if "estimated_error" in one.facts]
        truth = [error(one.values, final.values) for one in result.partial(target) if "estimated_error" in one.facts]
        assert np.mean(np.less_equal(truth, errors)) >= 0.8
    assert result.model.forward_passes == result.cost == 1 + 43**2
    # So its cost is no expectation, as it is where an error is allowed.
    method = ApproximateOcclusion()
    assert [method.adaptive(method.parameters(max_error=error)) for error in (0, 0.05)] == [False, True]


def test_a_label_that_nothing_matters_to_does_not_ask_for_all_windows(
    explain: Explain, traced: Callable[..., nn.Module]
) -> None:
    flat = traced(Weighed(torch.ones(SIDE, SIDE) * 1e-9 + smooth() * 0, torch.zeros(SIDE, SIDE)), (1, SIDE, SIDE))
    result = explain(METHOD, WHITE, (0, 1), on=flat, spec=PLAIN, **FINE)
    assert result.final(1).facts["windows"] < 200


@pytest.mark.parametrize("max_error", [0.3, 0.03, 0.001, 0])
def test_progress_neither_falls_nor_ends_early(explain: Explain, surfaces: nn.Module, max_error: float) -> None:
    result = explain(METHOD, WHITE, (0, 1), on=surfaces, spec=PLAIN, max_error=max_error, **FINE)
    done = [one for one, _ in result.job.reports]
    assert {total for _, total in result.job.reports} == {result.cost}
    assert done == sorted(set(done))
    assert done[-1] == result.cost
    assert done[-2] < result.cost
    fractions = [one.fraction for one in result.partial(0)]
    assert fractions == sorted(fractions)
    assert fractions[0] < 0.2
    assert fractions[-1] < 1


def test_stride_is_a_twelfth_of_the_window_where_nothing_is_said(explain: Explain, surfaces: nn.Module) -> None:
    coarse = explain(METHOD, WHITE, (0,), on=surfaces, spec=PLAIN, window=48, max_error=1).final(0)
    assert coarse.facts["all_windows"] == (1 + (SIDE - 48) // 4) ** 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 7), (40, 40)])
def test_the_order_visits_every_window_once_and_the_corners_first(shape: tuple[int, int]) -> None:
    order = [tuple(cell) for cell in window_order(*shape).tolist()]
    assert sorted(order) == sorted(np.ndindex(*shape))
    assert set(order[:4]) >= {(row, column) for row in (0, shape[0] - 1) for column in (0, shape[1] - 1)}


@pytest.mark.parametrize("step", [2, 4, 8])
def test_the_order_keeps_out_of_step_with_the_strides_of_a_network(step: int) -> None:
    inner = [cell for cell in window_order(64, 64)[:400] if cell.min() > 0 and cell.max() < 63]
    phases = np.bincount([(row % step) * step + column % step for row, column in inner], minlength=step**2)
    assert phases.min() > 0
    assert phases.max() < 2.5 * phases.mean() + 3


@pytest.mark.parametrize("shape", [(1, 9), (9, 9)])
def test_planes_are_met_by_the_interpolation(shape: tuple[int, int]) -> None:
    rows, columns = torch.meshgrid(*map(torch.arange, shape), indexing="ij")
    plane = (2 + 3 * rows - columns).double()[None]
    known = torch.zeros(shape, dtype=torch.bool)
    for row, column in window_order(*shape)[: max(3, len(plane.flatten()) // 4)].tolist():
        known[row, column] = True
    torch.testing.assert_close(interpolated(plane * known, known), plane, rtol=1e-4, atol=1e-4)


def test_no_error_is_believed_before_nearly_all_of_the_image_was_hidden_once(
    explain: Explain, traced: Callable[..., nn.Module]
) -> None:
    points = torch.zeros(3, SIDE, SIDE)
    points[0, 20, 31] = points[1, 44, 70] = points[2, 77, 50] = 1
    network = traced(Weighed(*points), (1, SIDE, SIDE))
    small = {"window": 6, "stride": 1, "max_error": 0.5}
    for target in range(3):
        final = explain(METHOD, WHITE, (target,), on=network, spec=PLAIN, **small).final(target)
        assert final.facts["windows"] >= 2 * (SIDE / 6) ** 2
        assert final.values.max() > 0


def test_an_error_that_no_part_of_the_windows_reaches_takes_all_of_them(explain: Explain, surfaces: nn.Module) -> None:
    result = explain(METHOD, WHITE, (SPIKY,), on=surfaces, spec=PLAIN, window=24, stride=4, max_error=1e-320)
    assert result.final(SPIKY).facts["windows"] == 19**2 == result.cost - 1


def test_interpolation_knows_no_unit() -> None:
    known = torch.zeros(9, 9, dtype=torch.bool)
    known[tuple(window_order(9, 9)[:30].T)] = True
    values = torch.rand(1, 9, 9, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * known
    torch.testing.assert_close(interpolated(1e-7 * values, known), 1e-7 * interpolated(values, known))
