from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from radiolucent.handlers import InputSpec, XRay, fit, preprocess

SIZES = [(300, 200), (200, 300), (256, 256), (40, 1000), (1000, 41), (17, 13)]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("size", [96, 224])
def test_a_bright_dot_is_found_again_where_it_was(height: int, width: int, size: int) -> None:
    row, column = int(height * 0.7), int(width * 0.2)
    dot = np.zeros((height, width), np.float32)
    # Large enough to survive being made smaller.
    radius = max(1, max(height, width) // size)
    dot[max(0, row - radius) : row + radius + 1, max(0, column - radius) : column + radius + 1] = 1
    rows, columns = np.nonzero(dot)
    prepared = preprocess(XRay(dot, "png"), InputSpec(size=size))
    plane = prepared.tensor[0]
    y, x = np.mgrid[0:size, 0:size] + 0.5
    found = prepared.affine.to_original(float((x * plane).sum() / plane.sum()), float((y * plane).sum() / plane.sum()))
    scale = max(prepared.affine.scale_x, prepared.affine.scale_y)
    assert found == pytest.approx((columns.mean() + 0.5, rows.mean() + 0.5), abs=0.6 * max(scale, 1))


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(16, 600))
def test_corners_of_the_image_are_corners_of_its_place(height: int, width: int, size: int) -> None:
    place = fit(height, width, size)
    assert max(place.resized_height, place.resized_width) == size
    assert abs((size - place.resized_height) - 2 * place.top) <= 1
    assert abs((size - place.resized_width) - 2 * place.left) <= 1
    assert place.affine.to_original(place.left, place.top) == pytest.approx((0, 0), abs=1e-6)
    corner = place.affine.to_original(place.left + place.resized_width, place.top + place.resized_height)
    assert corner == pytest.approx((width, height))
    assert place.affine.to_input(*corner) == pytest.approx(
        (place.left + place.resized_width, place.top + place.resized_height)
    )


@given(st.integers(20, 3000), st.integers(20, 3000))
def test_the_aspect_is_kept_to_a_pixel(height: int, width: int) -> None:
    place = fit(height, width, 224)
    scale = 224 / max(height, width)
    assert abs(place.resized_height - height * scale) <= 0.5 or place.resized_height == 1
    assert abs(place.resized_width - width * scale) <= 0.5 or place.resized_width == 1


def test_padding_is_black_in_the_space_of_the_model() -> None:
    spec = InputSpec(size=64, mean=0.5, std=0.25, channels=3)
    tensor = preprocess(XRay(np.ones((100, 50), np.float32), "png"), spec).tensor
    assert tensor.shape == (3, 64, 64)
    assert tensor.dtype == np.float32
    assert tensor.flags["C_CONTIGUOUS"]
    assert np.array_equal(tensor[0], tensor[2])
    assert (tensor[:, :, :16] == spec.black).all()
    assert (tensor[:, :, 48:] == spec.black).all()
    assert np.allclose(tensor[:, :, 16:48], 2)
    assert spec.black == -2


def test_shrinking_is_antialiased() -> None:
    stripes = np.tile(np.array([0, 1], np.float32), (512, 256))
    tensor = preprocess(XRay(stripes, "png"), InputSpec(size=64)).tensor
    assert np.abs(tensor - 0.5).max() < 0.05


def test_small_images_are_enlarged_and_stay_in_range() -> None:
    pixels = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    tensor = preprocess(XRay(pixels, "png"), InputSpec(size=128)).tensor
    assert 0 <= tensor.min() < tensor.max() <= 1


def test_sixteen_bits_stay_sixteen_bits() -> None:
    ramp = np.linspace(0.5, 0.5 + 200 / 65535, 64 * 64, dtype=np.float32).reshape(64, 64)
    tensor = preprocess(XRay(ramp, "png"), InputSpec(size=64)).tensor
    assert len(np.unique(tensor)) > 200


def test_a_view_of_an_image_is_as_good_as_a_copy() -> None:
    pixels = np.random.default_rng(0).random((30, 40)).astype(np.float32)
    spec = InputSpec(size=32)
    flipped = preprocess(XRay(pixels[::-1], "png"), spec).tensor
    assert np.array_equal(flipped, preprocess(XRay(pixels[::-1].copy(), "png"), spec).tensor)
