"""RISE: its masks, its expectation, and how partial maps approach the final one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.plugins import Cancelled, NotApplicable, Registry
from radiolucent.plugins.methods.rise import rise_masks
from torch import nn

Explain = Callable[..., Any]
PLAIN = InputSpec(size=16)
SMALL = (1, 16, 16)


class OnePixel(nn.Module):
    """Output 0 is ten times one pixel, far from zero; output 1 another pixel."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.stack([10 * batch[:, 0, 5, 9] - 100, batch[:, 0, 12, 3]], dim=1)


@pytest.fixture
def bright() -> torch.Tensor:
    return torch.ones(1, *SMALL)


def masks(count: int, probability: float = 0.5, seed: int = 0, cells: int = 4) -> torch.Tensor:
    return torch.stack(list(islice(rise_masks(16, 16, cells, probability, seed), count)))


@pytest.mark.parametrize("probability", [0.2, 0.5, 0.9])
def test_every_pixel_is_seen_with_the_same_probability(probability: float) -> None:
    drawn = masks(4000, probability)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    torch.testing.assert_close(drawn.mean(dim=0), torch.full((16, 16), probability), rtol=0, atol=0.04)


@pytest.mark.parametrize(("height", "width", "cells"), [(16, 16, 7), (40, 52, 7), (17, 31, 16), (96, 96, 12)])
def test_masks_fit_any_input_and_differ(height: int, width: int, cells: int) -> None:
    one, other = islice(rise_masks(height, width, cells, 0.5, 0), 2)
    assert one.shape == other.shape == (height, width)
    assert not torch.equal(one, other)


def test_a_model_of_one_pixel_gets_the_covariance_of_the_masks(
    explain: Explain, traced: Callable[..., nn.Module], bright: torch.Tensor
) -> None:
    result = explain(
        "rise", bright, (0, 1), on=traced(OnePixel(), SMALL), spec=PLAIN, masks=6000, cells=4, batch_size=256
    )
    # f = 10 M(q) - 100, so E[f M(x)] / p - E[f] = 10 Cov(M(q), M(x)) / p: taken from masks of another seed.
    other = masks(20_000, seed=1).double()
    for target, (row, column), factor in ((0, (5, 9), 10), (1, (12, 3), 1)):
        pixel = other[:, row, column] - other[:, row, column].mean()
        expected = factor * torch.einsum("n,nhw->hw", pixel, other) / len(other) / 0.5
        found = result.final(target).values[0].double()
        torch.testing.assert_close(found, expected, rtol=0, atol=0.03 * factor)
        assert (int(found.argmax()) // 16 - row) ** 2 + (int(found.argmax()) % 16 - column) ** 2 <= 2


def test_the_map_is_the_authors_but_for_a_constant(
    explain: Explain, network: nn.Module, image: torch.Tensor, spec: InputSpec
) -> None:
    found = explain("rise", image, (2,), masks=3000, batch_size=256, seed=3).final(2).values[0].double()
    drawn = torch.stack(list(islice(rise_masks(40, 52, 7, 0.5, 3), 3000)))
    baseline = torch.full_like(image, spec.black)
    with torch.no_grad():
        shown = drawn[:, None] * image + (1 - drawn[:, None]) * baseline
        outputs = torch.cat([network(part)[:, 2] for part in shown.split(256)]).double()
    authors = torch.einsum("n,nhw->hw", outputs, drawn.double()) / (3000 * 0.5)
    difference = found - authors
    assert float(difference.std()) < 0.15 * float(found.std()) + 0.05 * abs(float(outputs.mean()))
    # Exactly the mean of outputs with the masks as weights.
    weighted = torch.einsum("n,nhw->hw", outputs, drawn.double()) / drawn.double().sum(dim=0)
    torch.testing.assert_close(found, weighted - outputs.mean(), rtol=0, atol=1e-5)


def test_a_network_that_does_not_look_gets_a_map_of_zeros(
    explain: Explain, traced: Callable[..., nn.Module], bright: torch.Tensor
) -> None:
    class Blind(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return batch.sum(dim=(1, 2, 3))[:, None] * 0 - 7.25

    values = explain("rise", bright, (0,), on=traced(Blind(), SMALL), spec=PLAIN, masks=50).final(0).values
    assert values.abs().max() < 1e-6


def test_an_output_far_from_zero_adds_no_noise(
    explain: Explain, traced: Callable[..., nn.Module], bright: torch.Tensor
) -> None:
    class Near(nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return 10 * batch[:, 0, 5:6, 9]

    values = {"spec": PLAIN, "masks": 200}
    far = explain("rise", bright, (0,), on=traced(OnePixel(), SMALL), **values).final(0).values
    near = explain("rise", bright, (0,), on=traced(Near(), SMALL), **values).final(0).values
    torch.testing.assert_close(far, near, rtol=0, atol=1e-4)


def test_targets_share_the_passes_and_a_seed_decides_the_bits(explain: Explain, image: torch.Tensor) -> None:
    state = torch.get_rng_state()
    one, five = explain("rise", image, (3,), masks=60), explain("rise", image, range(5), masks=60)
    assert torch.equal(torch.get_rng_state(), state)
    assert one.cost == five.cost == one.model.forward_passes == five.model.forward_passes == 60
    assert torch.equal(one.final(3).values, five.final(3).values)
    assert not torch.equal(one.final(3).values, explain("rise", image, (3,), masks=60, seed=1).final(3).values)


def test_more_masks_begin_with_the_same(explain: Explain, image: torch.Tensor) -> None:
    few, many = (explain("rise", image, (0,), masks=masks, batch_size=16) for masks in (64, 640))
    early = next(one for one in many.partial(0) if round(one.fraction * 640) >= 64)
    assert round(early.fraction * 640) in range(64, 100)
    assert float(torch.corrcoef(torch.stack([early.values.flatten(), few.final(0).values.flatten()]))[0, 1]) > 0.8


def test_partial_maps_approach_the_final_one(explain: Explain, image: torch.Tensor) -> None:
    curves = []
    for seed in range(2):
        result = explain("rise", image, range(5), masks=600, batch_size=32, seed=seed)
        assert result.maps[0].fraction < 0.2
        for target in range(5):
            final = result.final(target).values.flatten()
            curves.append(
                [float(torch.corrcoef(torch.stack([p.values.flatten(), final]))[0, 1]) for p in result.partial(target)]
            )
    mean = np.mean(curves, axis=0)
    assert mean[-1] > 0.97
    assert mean[-1] > mean[0] + 0.3
    assert np.diff(mean).min() > -0.03


def test_progress_ends_at_the_cost_and_no_partial_has_a_delta(explain: Explain, image: torch.Tensor) -> None:
    result = explain("rise", image, masks=45)
    done = [one for one, _ in result.job.reports]
    assert {total for _, total in result.job.reports} == {result.cost}
    assert done == sorted(set(done))
    assert done[-1] == 45
    assert all(one.convergence_delta is None for one in result.maps)


@pytest.mark.parametrize("check", [1, 3])
def test_cancellation_stops_at_the_next_forward_pass(
    explain: Explain, image: torch.Tensor, recorder: type, check: int
) -> None:
    job = recorder(cancel_at_check=check)
    with pytest.raises(Cancelled):
        explain("rise", image, job=job)
    assert job.checks == check


def test_finer_masks_than_pixels_are_refused(registry: Registry) -> None:
    with pytest.raises(NotApplicable, match="20 cells are more than the pixels of a 16 x 40 input"):
        registry.method("rise").cost(registry.parameters("rise", {"cells": 20}), (1, 16, 40), 1)
