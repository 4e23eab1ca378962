"""Maps of several networks become one: closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from radiolucent.handlers import Affine
from radiolucent.handlers.geometry import fit
from radiolucent.server.engine.aggregation import Agreement, Evidence, agreement, majority, normalised_mean
from radiolucent.server.engine.grids import resampling


def ramp(side: int = 10) -> np.ndarray:
    """0 to 99 row by row."""
    return np.arange(side * side, dtype=np.float32).reshape(side, side)


def test_the_mean_does_not_hang_on_the_networks_units() -> None:
    one = np.random.default_rng(0).normal(size=(12, 12)).astype(np.float32)
    mean, scales = normalised_mean(np.stack([one, 1000 * one]))
    assert scales[1] == pytest.approx(1000 * scales[0])
    assert scales[0] == pytest.approx(np.percentile(np.abs(one), 99))
    np.testing.assert_allclose(mean, one / np.percentile(np.abs(one), 99), rtol=1e-5)


def test_a_few_hot_pixels_do_not_decide_the_scale() -> None:
    hot = np.ones((20, 20), dtype=np.float32)
    hot[3, 4] = 1e6
    mean, (scale,) = normalised_mean(hot[None])
    assert scale == 1
    assert mean[0, 0] == 1
    assert mean[3, 4] == 1e6


def test_opposite_maps_cancel_and_maps_of_zeros_count_as_zeros() -> None:
    one = ramp()
    zeros = np.zeros_like(one)
    mean, _ = normalised_mean(np.stack([one, -one]))
    assert not mean.any()
    mean, scales = normalised_mean(np.stack([one, zeros]))
    assert scales[1] == 0
    np.testing.assert_allclose(mean, one / scales[0] / 2, rtol=1e-6)
    assert not normalised_mean(np.stack([zeros, zeros]))[0].any()


def test_a_sparse_map_is_scaled_by_its_largest_value() -> None:
    sparse = np.zeros((30, 30), dtype=np.float32)
    sparse[7, 8] = -1e-40
    mean, _ = normalised_mean(sparse[None])
    assert mean[7, 8] == pytest.approx(-1)


def test_agreement_counts_the_networks_that_point() -> None:
    here, there = np.zeros((2, 10, 10), dtype=np.float32)
    here[:1] = ramp()[:1] + 1
    there[:1, :5] = 1
    maps = np.stack([here, here, there])
    share, levels = agreement(maps, 3, Agreement(networks=1, top_share=0.1))
    np.testing.assert_allclose(share[0], [1] * 5 + [2 / 3] * 5)
    assert not share[1:].any()
    assert levels == (1.0, 1.0, 1.0)
    np.testing.assert_allclose(agreement(maps, 3, Agreement(networks=3, top_share=0.1))[0][0], [1] * 5 + [0] * 5)
    # A network without a map points nowhere, and is one of those that could have.
    np.testing.assert_allclose(agreement(maps, 5, Agreement(networks=3, top_share=0.1))[0][0], [0.6] * 5 + [0] * 5)


def test_a_network_points_at_the_share_of_its_pixels_that_is_asked_for() -> None:
    for top in (0.01, 0.1, 0.5):
        share, (level,) = agreement(ramp()[None] + 1, 1, Agreement(networks=1, top_share=top))
        assert share.mean() == pytest.approx(top)
        assert level == 100 - 100 * top + 1


def test_only_evidence_in_the_direction_asked_for_counts() -> None:
    signed = np.stack([ramp() - 95])
    # The ten largest magnitudes are all against: the little that is above zero is no place to point at.
    speaks_for, (level,) = agreement(signed, 1, Agreement(networks=1))
    assert not speaks_for.any()
    assert level == 0
    against, (level,) = agreement(signed, 1, Agreement(networks=1, evidence=Evidence.AGAINST))
    np.testing.assert_array_equal(against, (ramp() < 10).astype(np.float32))
    assert level == 86
    # Of the twenty largest of these eleven are for.
    both = np.stack([ramp() - 49.0])
    assert agreement(both, 1, Agreement(networks=1, top_share=0.2))[0].sum() == 11
    assert agreement(both, 1, Agreement(networks=1, top_share=0.2, evidence=Evidence.AGAINST))[0].sum() == 10


@pytest.mark.parametrize(("networks", "least"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_a_majority_is_more_than_half(networks: int, least: int) -> None:
    assert majority(networks) == least


def test_the_same_grid_is_left_as_it_is() -> None:
    plane = np.random.default_rng(1).normal(size=(24, 24)).astype(np.float32)
    np.testing.assert_array_equal(resampling(300, 217, 24, 24)(plane), plane)


@pytest.mark.parametrize(("source", "target"), [(24, 60), (60, 24)])
def test_places_on_the_film_stay_where_they_are(source: int, target: int) -> None:
    """A map that is linear in film coordinates is the same on every grid, away from its edges."""
    height, width = 480, 400
    grids = {side: fit(height, width, side).affine for side in (source, target)}

    def film(side: int) -> np.ndarray:
        affine: Affine = grids[side]
        places = [affine.to_original(one + 0.5, one + 0.5) for one in range(side)]
        x, y = (np.array([place[axis] for place in places]) for axis in (0, 1))
        return (x[None, :] + 2 * y[:, None]).astype(np.float32)

    moved = resampling(height, width, source, target)(film(source))
    place, edge = fit(height, width, target), max(2, target // source + 2)
    rows = slice(place.top + edge, place.top + place.resized_height - edge)
    columns = slice(place.left + edge, place.left + place.resized_width - edge)
    np.testing.assert_allclose(moved[rows, columns], film(target)[rows, columns], rtol=1e-4, atol=0.5)


@pytest.mark.parametrize(("height", "width"), [(480, 211), (100, 333), (64, 64), (3000, 2990)])
@pytest.mark.parametrize(("source", "target"), [(24, 60), (60, 24), (25, 24), (48, 24)])
def test_the_film_and_its_padding_do_not_run_into_each_other(height: int, width: int, source: int, target: int) -> None:
    def film(side: int) -> np.ndarray:
        place = fit(height, width, side)
        plane = np.zeros((side, side), dtype=np.float32)
        plane[place.top : place.top + place.resized_height, place.left : place.left + place.resized_width] = 1
        return plane

    moved = resampling(height, width, source, target)(film(source))
    missing = ~np.isclose(film(target), moved, rtol=0, atol=1e-9)
    # A grid without padding has none to give to a line of it.
    assert missing.sum() <= (2 * target if film(source).all() and not film(target).all() else 0)


def test_it_is_the_preprocessings_filter() -> None:
    """Two steps, to 60 and then to 30 pixels, are what Pillow does with the same planes."""
    plane = np.random.default_rng(2).random((60, 60)).astype(np.float32)
    expected = np.asarray(Image.fromarray(plane).resize((30, 30), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(resampling(60, 60, 60, 30)(plane), expected, atol=1e-6)
