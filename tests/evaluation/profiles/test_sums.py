"""Means, dead maps and shifts of one layer, against the plain computation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from radiolucent.evaluation.profiles.aligning import peaks_of, shift_to_centre
from radiolucent.evaluation.profiles.places import Place
from radiolucent.evaluation.profiles.sums import LayerSums

PLACE = Place("layer", "layer", 2, 5, 4)


def test_shifted_means_count_what_is_there_pixel_by_pixel() -> None:
    random = np.random.default_rng(0)
    maps = random.normal(size=(6, 2, 5, 4)).astype(np.float32)
    weights = random.random((6, 2))
    weights[0, 1] = 0
    shifts = random.integers(-2, 3, (6, 2, 2))
    sums = LayerSums(PLACE, 2)
    for part in (slice(0, 4), slice(4, 6)):
        sums.add(torch.from_numpy(maps[part]), torch.from_numpy(weights[part]), shifts[part].tolist())
    means = sums.means()
    for group in range(2):
        for row in range(5):
            for column in range(4):
                total, count = np.zeros(2), 0.0
                for film, (down, right) in enumerate(shifts[:, group]):
                    if 0 <= row - down < 5 and 0 <= column - right < 4:
                        total += weights[film, group] * maps[film, :, row - down, column - right]
                        count += weights[film, group]
                if count:
                    np.testing.assert_allclose(means[group, :, row, column], total / count, rtol=1e-5)


def test_a_place_that_no_film_of_a_group_reaches_has_no_contrast() -> None:
    sums = LayerSums(PLACE, 2)
    sums.add(torch.ones(1, 2, 5, 4), torch.ones(1, 2, dtype=torch.float64), [[(0, 0), (2, 0)]])
    means = sums.means()
    assert (means == 1).all()
    sums = LayerSums(PLACE, 2)
    sums.add(torch.ones(1, 2, 5, 4), torch.ones(1, 2, dtype=torch.float64), [[(1, 0), (2, 0)]])
    assert (sums.means()[:, :, 0] == 0).all()
    assert (sums.means()[:, :, 1:] == 1).all()


def test_a_place_that_too_few_patients_reach_has_no_contrast() -> None:
    sums = LayerSums(Place("layer", "node", 1, 1, 2), 2)
    maps = torch.tensor([[[[1.0, 2.0]]], [[[3.0, 4.0]]]])
    weights = torch.tensor([[1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    sums.add(maps, weights, [[(0, 0), (0, 0)], [(0, 1), (0, 0)]])
    means = sums.means(2)
    assert means[0, 0, 0].tolist() == [0, 2.5], "one film reaches the first place"
    assert means[1, 0, 0].tolist() == [0, 2.5], "one film is all of the group"


def test_a_shift_beyond_the_map_leaves_nothing_of_it() -> None:
    sums = LayerSums(PLACE, 1)
    sums.add(torch.ones(1, 2, 5, 4), torch.ones(1, 1, dtype=torch.float64), [[(-5, 4)]])
    assert (sums.means() == 0).all()


def test_dead_maps_are_found_by_both_rules() -> None:
    place = Place("layer", "layer", 4, 3, 3)
    maps = torch.rand(5, 4, 3, 3)
    maps[:, 0] = 0  # dead
    maps[:, 1] = torch.arange(9.0).reshape(3, 3)  # the same on all films, with a border: padding
    maps[:, 2] = torch.arange(5.0)[:, None, None]  # constant on each film, another value on each
    sums = LayerSums(place, 1)
    sums.add(maps[:2], torch.ones(2, 1, dtype=torch.float64))
    sums.add(maps[2:], torch.ones(3, 1, dtype=torch.float64))
    assert sums.constant() == (0, 2)
    assert sums.unvarying() == (0, 1)


def test_maps_of_one_pixel_are_not_called_constant() -> None:
    sums = LayerSums(Place("layer", "layer", 2, 1, 1), 1)
    sums.add(torch.tensor([[0.0, 1.0], [0.0, 2.0]])[:, :, None, None], torch.ones(2, 1, dtype=torch.float64))
    assert sums.constant() == ()
    assert sums.unvarying() == (0,)


@pytest.mark.parametrize(("row", "column"), [(3, 20), (16, 16), (28, 9)])
def test_maps_are_moved_so_that_the_gradients_peak_is_in_the_middle(row: int, column: int) -> None:
    images = torch.zeros(2, 1, 32, 32)
    images[1, 0, row : row + 2, column : column + 2] = 1
    images.requires_grad_()
    logits = torch.stack(
        [-images.sum((1, 2, 3)), images.square().sum((1, 2, 3))], 1
    )  # the second looks at bright pixels
    peak = peaks_of(images, logits, {"bright": 1})["bright"][1]
    sums = LayerSums(Place("input", "input", 1, 32, 32), 1)
    shift = shift_to_centre(peak, sums.place)
    sums.add(images[1:], torch.ones(1, 1, dtype=torch.float64), [[shift]])
    bright = np.argwhere(sums.means()[0, 0] == 1)
    np.testing.assert_array_equal(bright, [[15, 15], [15, 16], [16, 15], [16, 16]])
    assert shift_to_centre(peak, Place("deep", "deep", 8, 4, 4)) == (2 - (row + 1) // 8, 2 - (column + 1) // 8)
