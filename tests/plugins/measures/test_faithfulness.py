"""Deletion, insertion and ROAD, where the right answer is known."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from radiolucent.plugins import NotApplicable
from radiolucent.plugins.measures import Subject
from radiolucent.plugins.measures.imputation import impute
from scipy.ndimage import convolve

Make = Callable[..., Subject]
Take = Callable[..., dict[str, float]]

PIXELS = {"region": 1, "baseline": "black"}
removing = pytest.mark.parametrize("name", ["deletion", "insertion", "road"])
replacing = pytest.mark.parametrize("name", ["deletion", "insertion"])


def test_the_area_is_that_of_the_sums_along_the_order(
    linear: type[torch.nn.Module], small_image: torch.Tensor, black: torch.Tensor, subject_of: Make, take: Take
) -> None:
    network = linear()
    right = network.contributions(small_image, black, 1)
    found = take("deletion", subject_of(network, small_image, right), steps=160, **PIXELS)
    # Of a linear network the output without some pixels is the sum of the others' contributions.
    left = np.concatenate([[0], np.sort(right.double().numpy().ravel())]).cumsum()[::-2]
    area = (left[:-1] + left[1:]).sum() / 2 / 160
    assert found["auc"] * found["scale"] == pytest.approx(area, rel=1e-4)


@replacing
def test_the_right_map_beats_chance_and_every_other_and_its_reverse_loses(
    name: str,
    linear: type[torch.nn.Module],
    small_image: torch.Tensor,
    black: torch.Tensor,
    subject_of: Make,
    take: Take,
) -> None:
    network = linear()
    known: dict[Any, Any] = {}

    def above_random(heatmap: torch.Tensor) -> float:
        return take(name, subject_of(network, small_image, heatmap, known=known), **PIXELS)["above_random"]

    right = network.contributions(small_image, black, 1)
    generator = torch.Generator().manual_seed(0)
    others = [above_random(right + 4 * torch.randn(right.shape, generator=generator)) for _ in range(5)]
    assert above_random(right) > max(others) > 0 > above_random(-right)


@replacing
def test_evidence_comes_first_whether_the_label_is_likely_or_not(
    name: str,
    linear: type[torch.nn.Module],
    small_image: torch.Tensor,
    black: torch.Tensor,
    subject_of: Make,
    take: Take,
) -> None:
    found = []
    for factor in (1.0, -1.0):
        network = linear(factor)
        right = network.contributions(small_image, black, 1)
        found.append(take(name, subject_of(network, small_image, right), **PIXELS)["above_random"])
    assert min(found) > 0.5


@removing
def test_a_constant_map_is_chance(
    name: str, convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    assert take(name, subject_of(convolutional, small_image, torch.full((16, 20), 2.5)))["above_random"] == 0


def test_ties_are_broken_by_chance_rather_than_from_the_top(
    linear: type[torch.nn.Module], small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    network = linear()
    with torch.no_grad():
        network.weights[:] = 0
        network.weights[:, :, :8] = 1
        network.weights[:, :, 15, 19] = 1
    only_the_last = torch.zeros(16, 20)
    only_the_last[15, 19] = 1e-3
    bright = torch.full_like(small_image, 1.0)
    found = take("deletion", subject_of(network, bright, only_the_last), orders=20, **PIXELS)
    assert abs(found["above_random"]) < 0.1


@removing
def test_the_scale_and_offset_of_the_output_do_not_matter(
    name: str, linear: type[torch.nn.Module], small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    heatmap = torch.rand(16, 20, generator=torch.Generator().manual_seed(1))
    plain = take(name, subject_of(linear(), small_image, heatmap))
    scaled = take(name, subject_of(linear(10.0, 3.0), small_image, heatmap))
    for value in ("above_random", "auc", "random", "random_spread"):
        assert scaled[value] == pytest.approx(plain[value], abs=1e-5)
    assert scaled["scale"] == pytest.approx(10 * plain["scale"], rel=1e-4)


@removing
def test_an_output_that_does_not_change_is_refused_with_words(
    name: str, linear: type[torch.nn.Module], small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    with pytest.raises(NotApplicable, match="does not change when parts of the image are removed"):
        take(name, subject_of(linear(0.0, 2.0), small_image, torch.rand(16, 20)))


@removing
def test_the_batch_size_does_not_matter(
    name: str, convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    one, many = (take(name, subject_of(convolutional, small_image), batch_size=size) for size in (1, 64))
    assert one == pytest.approx(many, abs=1e-5)


def test_random_orders_are_shared_by_maps_labels_and_both_directions(
    convolutional: torch.nn.Module, small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    known: dict[Any, Any] = {}
    passes, found = [], []
    for name, target in (("deletion", 1), ("deletion", 0), ("insertion", 0)):
        subject = subject_of(convolutional, small_image, target=target, known=known)
        found.append(take(name, subject))
        passes.append(subject.model.forward_passes)
    assert passes == [38, 9, 9]
    assert found[1]["random"] == found[2]["random"] != found[0]["random"]
    alone = take("insertion", subject_of(convolutional, small_image, target=0))
    assert found[2] == pytest.approx(alone, abs=1e-6)


def test_a_hole_in_a_ramp_is_guessed_right() -> None:
    ramp = np.add.outer(np.arange(12.0), 2 * np.arange(15.0))[None]
    hidden = np.zeros((12, 15), dtype=bool)
    hidden[3:8, 4:10] = True
    torn = np.where(hidden, -100.0, ramp)
    assert np.abs(impute(torn, hidden) - ramp).max() < 1e-4


@pytest.mark.parametrize(("height", "width"), [(33, 50), (1, 7), (61, 24)])
def test_every_guess_is_the_weighted_mean_of_its_neighbours(height: int, width: int) -> None:
    generator = np.random.default_rng(0)
    hidden = generator.random((height, width)) < 0.4
    hidden[height // 2 :, 2:] = True
    (guessed,) = impute(generator.normal(size=(1, height, width)), hidden)
    kernel = np.array([[1, 2, 1], [2, 0, 2], [1, 2, 1]]) / 12
    inside = convolve(np.ones_like(guessed), kernel, mode="constant")
    means = convolve(guessed, kernel, mode="constant") / inside
    assert np.abs(guessed - means)[hidden].max() < 1e-5


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_guesses_are_those_of_quantus(share: float, quantus: ModuleType) -> None:
    generator = np.random.default_rng(0)
    planes = generator.normal(size=(2, 13, 17))
    hidden = generator.random((13, 17)) < share
    theirs = quantus.functions.perturb_func.noisy_linear_imputation(planes, np.flatnonzero(hidden), noise=0.0)
    assert np.abs(impute(planes, hidden) - theirs).max() < 1e-4


def test_road_removes_a_spot_without_a_trace(linear: type[torch.nn.Module], subject_of: Make, take: Take) -> None:
    network = linear()
    with torch.no_grad():
        network.weights[:] = 0
        network.weights[:, :, 5:8, 9:12] = 1
    image = torch.full((1, 1, 16, 20), -1.0)
    image[..., 5:8, 9:12] = 1
    spot = (image[0, 0] > 0).float()
    found = take("road", subject_of(network, image, spot), noise=0.0)
    assert found["above_random"] > 0.3
    assert found["above_random"] > take("road", subject_of(network, image, -spot), noise=0.0)["above_random"]


def test_road_shows_the_images_mean_where_rounding_removes_all_before_the_last_step(
    linear: type[torch.nn.Module], small_image: torch.Tensor, subject_of: Make, take: Take
) -> None:
    # Of four squares, nineteen of twenty steps take all.
    coarse = {"region": 1024, "steps": 20, "noise": 0.0}
    network, map_ = linear(), torch.zeros(16, 20)
    map_[:8, :10] = 1
    found, shifted = (take("road", subject_of(network, small_image + more, map_), **coarse) for more in (0.0, 5.0))
    assert found["above_random"] == pytest.approx(shifted["above_random"], abs=1e-3)
