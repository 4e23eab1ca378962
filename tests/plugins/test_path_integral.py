"""Integrated gradients take the points that they need, say what they miss, and hide no bound that they hit."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.plugins.methods import integrated_gradients
from radiolucent.plugins.methods.path_integral import PathIntegral
from torch import nn

Explain = Callable[..., Any]
PLAIN = InputSpec(size=16, channels=1)
METHOD = "integrated_gradients"


class Step(nn.Module):
    """Rises on a short part of the way alone: sigmoid(200 (mean - 0.7)), and its double."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        rise = torch.sigmoid(200 * (batch.mean(dim=(1, 2, 3)) - 0.7))
        return torch.stack([rise, -2 * rise, batch.sum(dim=(1, 2, 3))], dim=1)


@pytest.fixture(scope="module")
def step(traced: Callable[..., nn.Module]) -> nn.Module:
    return traced(Step(), (1, 4, 4))


WHITE = torch.ones(1, 1, 4, 4)


@pytest.mark.parametrize("max_error", [0.1, 0.01, 0.001])
def test_the_map_misses_no_more_than_is_allowed(explain: Explain, step: nn.Module, max_error: float) -> None:
    result = explain(METHOD, WHITE, (0, 1), on=step, spec=PLAIN, max_error=max_error)
    for target, change in ((0, 1.0), (1, -2.0)):
        final = result.final(target)
        assert final.facts["converged"] == 1
        assert abs(float(final.values.sum()) - change) <= max_error * abs(change) * 1.01
        assert final.convergence_delta == pytest.approx(float(final.values.sum()) - change, abs=1e-5)


def test_labels_that_would_take_too_much_memory_together_come_one_after_another(
    explain: Explain, step: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = explain(METHOD, WHITE, (0, 1, 2), on=step, spec=PLAIN)
    monkeypatch.setattr(integrated_gradients, "_KEPT_BYTES", 1)
    alive, counts = weakref.WeakSet[PathIntegral](), []

    class Counted(PathIntegral):
        def __init__(self, difference: torch.Tensor, max_error: float) -> None:
            super().__init__(difference, max_error)
            alive.add(self)
            counts.append(len(alive))

    monkeypatch.setattr(integrated_gradients, "PathIntegral", Counted)
    alone = explain(METHOD, WHITE, (0, 1, 2), on=step, spec=PLAIN)
    assert counts == [1, 1, 1], "an integral is given up before the next label's begins"
    order = [one.target for one in alone.maps]
    assert order == sorted(order)
    assert [one.target for one in together.maps] != order
    for target in (0, 1, 2):
        torch.testing.assert_close(alone.final(target).values, together.final(target).values)
    assert alone.job.reports[-1] == (alone.cost, alone.cost)


def test_points_go_where_the_output_changes(explain: Explain, step: nn.Module) -> None:
    few = explain(METHOD, WHITE, (0,), on=step, spec=PLAIN).final(0)
    # As many nodes all along the way miss much more.
    fixed = explain(METHOD, WHITE, (0,), on=step, spec=PLAIN, steps=int(few.facts["steps"])).final(0)
    assert abs(fixed.convergence_delta) > 5 * abs(few.convergence_delta)


def test_a_bound_that_is_hit_is_said(explain: Explain, step: nn.Module) -> None:
    result = explain(METHOD, WHITE, (0, 2), on=step, spec=PLAIN, max_steps=12)
    hit = result.final(0)
    assert (hit.facts["converged"], hit.facts["steps"]) == (0, 9)
    assert abs(hit.convergence_delta) > 0.01
    assert result.final(2).facts == {"converged": 1, "steps": 9}
    assert result.job.reports[-1] == (result.cost, result.cost)


def test_labels_that_need_the_same_points_share_forward_passes(explain: Explain, step: nn.Module) -> None:
    alone = explain(METHOD, WHITE, (0,), on=step, spec=PLAIN)
    both = explain(METHOD, WHITE, (0, 1), on=step, spec=PLAIN)
    assert alone.model.forward_passes == both.model.forward_passes == alone.final(0).facts["steps"]


def test_partial_maps_know_what_they_miss_and_progress_only_grows(explain: Explain, step: nn.Module) -> None:
    result = explain(METHOD, WHITE, (0,), on=step, spec=PLAIN, max_error=0.001)
    done = [one for one, _ in result.job.reports]
    assert done == sorted(set(done))
    assert len(result.partial(0)) >= 3
    for one in result.partial(0):
        assert one.convergence_delta == pytest.approx(float(one.values.sum()) - 1, abs=1e-5)
    fractions = [one.fraction for one in result.maps]
    assert fractions == sorted(fractions)


def test_an_output_that_never_changes_is_done_at_once(explain: Explain, traced: Callable[..., nn.Module]) -> None:
    class Deaf(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return 0 * batch.sum(dim=(1, 2, 3))[:, None] + 3

    final = explain(METHOD, WHITE, (0,), on=traced(Deaf(), (1, 4, 4)), spec=PLAIN).final(0)
    assert final.facts == {"converged": 1, "steps": 9}
    assert final.values.abs().max() == 0


def test_parts_that_are_summed_up_leave_the_integral_as_it_was() -> None:
    # f(t) = sin(20 t), one pixel: with a tolerance out of reach it is halved far beyond what is kept.
    integral = PathIntegral(torch.ones(1, 1, 1), 1e-4)
    for _ in range(100):
        points = integral.points()
        at = torch.tensor(points, dtype=torch.float64)
        integral.take(points, torch.sin(20 * at), (20 * torch.cos(20 * at))[:, None, None, None])
        integral.refine()
    assert integral.steps == 5 + 99 * 4
    change = float(torch.sin(torch.tensor(20.0, dtype=torch.float64)))
    assert float(integral.attribution()) == pytest.approx(change, abs=1e-5)
    assert integral.error == pytest.approx(0, abs=1e-5)
