from __future__ import annotations

import numpy as np
import pytest
from radiolucent.evaluation.explanations.boxes import Box
from radiolucent.evaluation.explanations.evidence import PlacedMap, bring, why_unusable
from radiolucent.evaluation.explanations.grid import SIDE, FilmGrid
from radiolucent.handlers.geometry import fit


def placed(values: np.ndarray, grid: FilmGrid) -> PlacedMap:
    return PlacedMap("net", "method", "Pneumonia", values, fit(grid.height, grid.width, len(values)).affine)


def test_the_grid_is_the_film_without_padding() -> None:
    assert FilmGrid(410, 512).shape == (179, SIDE)
    assert FilmGrid(512, 512).shape == (SIDE, SIDE)
    assert FilmGrid(60, 30).shape == (SIDE, SIDE // 2)


@pytest.mark.parametrize("size", [64, 128, 160, 224, 299, 512])
def test_a_map_that_is_the_same_everywhere_stays_so_to_the_bit(size: int) -> None:
    brought = bring(placed(np.full((size, size), 0.3, np.float32), FilmGrid(410, 512)), FilmGrid(410, 512))
    assert (brought.values == np.float32(0.3)).all()


@pytest.mark.parametrize("size", [96, 224, 299, 512])
def test_nothing_of_the_padding_comes_in(size: int) -> None:
    grid = FilmGrid(300, 500)
    place = fit(grid.height, grid.width, size)
    values = np.full((size, size), 1e6, np.float32)
    values[place.top : place.top + place.resized_height] = 1
    assert (bring(placed(values, grid), grid).values == 1).all()


def test_what_speaks_against_the_label_is_no_evidence_even_beside_what_speaks_for_it() -> None:
    values = np.where(np.indices((448, 448)).sum(axis=0) % 2, 1.0, -1.0).astype(np.float32)
    # A finer map is averaged: the positive half counts, and is not cancelled by the negative one.
    np.testing.assert_allclose(bring(placed(values, FilmGrid(512, 512)), FilmGrid(512, 512)).values, 0.5, atol=0.15)
    assert why_unusable(bring(placed(-np.abs(values), FilmGrid(9, 9)), FilmGrid(9, 9)).values)


@pytest.mark.parametrize("size", [112, 224, 448])
@pytest.mark.parametrize(("height", "width"), [(512, 512), (400, 512), (512, 400)])
def test_a_mark_on_the_film_lands_in_its_cells_whatever_the_size_of_the_map(size: int, height: int, width: int) -> None:
    grid = FilmGrid(height, width)
    place = fit(height, width, size)
    box = Box("", width / 2, height / 4, width / 4, height / 4)
    left, top = place.affine.to_input(box.x, box.y)
    right, bottom = place.affine.to_input(box.x + box.width, box.y + box.height)
    values = np.zeros((size, size), np.float32)
    values[round(top) : round(bottom), round(left) : round(right)] = 1
    drawn = grid.draw([box], height, width)
    brought = bring(placed(values, grid), grid).values
    assert np.abs((brought > 0.5) ^ drawn).mean() < 0.01
    assert brought.sum() == pytest.approx(drawn.sum(), rel=0.04)


def test_a_mask_and_a_box_of_the_same_place_cover_the_same_cells() -> None:
    grid, mask = FilmGrid(100, 80), np.zeros((100, 80), np.uint8)
    mask[20:50, 40:60] = 1
    np.testing.assert_array_equal(grid.sample(mask) != 0, grid.draw([Box("", 40, 20, 20, 30)], 100, 80))
    np.testing.assert_array_equal(grid.of_square(grid.to_square(mask_on := grid.sample(mask))), mask_on)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_map_with_numbers_that_are_none_says_so(wrong: float) -> None:
    values = np.ones((32, 32), np.float32)
    values[3, 3] = wrong
    assert "no numbers" in why_unusable(bring(placed(values, FilmGrid(32, 32)), FilmGrid(32, 32)).values)
