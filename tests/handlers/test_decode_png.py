from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from radiolucent.handlers import ImageError, ImageProblem, decode, inspect

GREY = (0.299, 0.587, 0.114)

Encode = Callable[..., bytes]


def values(channels: int, depth: int) -> NDArray[Any]:
    shape = (9, 14) if channels == 1 else (9, 14, channels)
    return np.random.default_rng(1).integers(0, 2**depth, shape)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_grey_is_scaled_by_its_depth(png: Encode, depth: int) -> None:
    grey = values(1, depth)
    image = decode(png(grey, depth=depth))
    assert image.format == "png"
    assert image.pixels.dtype == np.float32
    np.testing.assert_allclose(image.pixels, grey / (2**depth - 1), atol=1e-6)


@pytest.mark.parametrize("depth", [8, 16])
def test_rgb_becomes_luminance_at_full_depth(png: Encode, depth: int) -> None:
    rgb = values(3, depth)
    np.testing.assert_allclose(decode(png(rgb, colour=2, depth=depth)).pixels, rgb @ GREY / (2**depth - 1), atol=1e-6)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("colour", [4, 6])
def test_what_is_transparent_shows_black(png: Encode, colour: int, depth: int) -> None:
    data = values(2 if colour == 4 else 4, depth) / 1.0
    white = 2**depth - 1
    grey = data[..., 0] if colour == 4 else data[..., :3] @ GREY
    expected = grey / white * data[..., -1] / white
    np.testing.assert_allclose(decode(png(data, colour=colour, depth=depth)).pixels, expected, atol=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_palette_is_looked_up(png: Encode, depth: int) -> None:
    indices = values(1, depth)
    palette = np.random.default_rng(2).integers(0, 256, (2**depth, 3)).astype(np.uint8)
    opacity = np.full(2**depth, 255, np.uint8)
    opacity[0] = 51
    data = png(indices, colour=3, depth=depth, extra=((b"PLTE", palette.tobytes()), (b"tRNS", opacity.tobytes())))
    expected = (palette @ GREY / 255 * opacity / 255)[indices]
    np.testing.assert_allclose(decode(data).pixels, expected, atol=1e-6)


@pytest.mark.parametrize("depth", [2, 8, 16])
def test_a_transparent_grey_value_shows_black(png: Encode, depth: int) -> None:
    grey = values(1, depth)
    key = int(grey[4, 5])
    pixels = decode(png(grey, depth=depth, extra=((b"tRNS", struct.pack(">H", key)),))).pixels
    np.testing.assert_allclose(pixels, np.where(grey == key, 0, grey / (2**depth - 1)), atol=1e-6)


def test_a_transparent_colour_shows_black(png: Encode) -> None:
    rgb = values(3, 8)
    pixels = decode(png(rgb, colour=2, extra=((b"tRNS", struct.pack(">3H", *(int(v) for v in rgb[2, 3]))),))).pixels
    assert pixels[2, 3] == 0
    assert (pixels > 0).sum() >= pixels.size - 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "I;16"])
def test_files_that_pillow_writes_are_read_alike(mode: str, picture: NDArray[np.uint8]) -> None:
    image = (
        Image.fromarray(picture).convert("I").point(lambda v: v * 257) if mode == "I;16" else Image.fromarray(picture)
    )
    file = BytesIO()
    image.convert(mode).save(file, "PNG")
    expected = np.asarray(Image.fromarray(picture).convert(mode).convert("L")) if mode != "I;16" else picture
    np.testing.assert_allclose(decode(file.getvalue()).pixels, expected / 255, atol=0.003)


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_uniform_image_is_uniform(png: Encode, value: int) -> None:
    assert np.unique(decode(png(np.full((5, 6), value))).pixels) == pytest.approx(value / 255)


def test_text_and_profiles_are_not_looked_at(png: Encode, picture: NDArray[np.uint8]) -> None:
    bomb = b"icc\x00\x00" + b"not zlib"
    extra = (
        (b"iCCP", bomb),
        (b"tEXt", b"Comment\x00Secret^Patient"),
        (b"eXIf", b"rubbish"),
        (b"zTXt", b"a\x00\x00zzz"),
    )
    np.testing.assert_allclose(decode(png(picture, extra=extra)).pixels, picture / 255, atol=1e-6)


def test_an_animation_is_refused(picture: NDArray[np.uint8]) -> None:
    frames = [Image.fromarray(picture), Image.fromarray(255 - picture)]
    file = BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError) as caught:
        inspect(file.getvalue())
    assert caught.value.reason is ImageProblem.MULTI_FRAME


def test_the_header_tells_the_size_without_decoding(png: Encode, picture: NDArray[np.uint8]) -> None:
    header = inspect(png(picture))
    assert (header.format, header.height, header.width) == ("png", 40, 56)


def test_fewer_pixels_than_the_header_says_are_damage(png: Encode, picture: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageError) as caught:
        decode(png(picture, size=(4000, 56)))
    assert caught.value.reason is ImageProblem.CORRUPT


def test_a_real_rgba_file_is_read(shared: Path) -> None:
    image = decode((shared / "data/originals/nih_rgba_png_00001054_002.png").read_bytes())
    assert image.pixels.shape == (1024, 1024)
    assert 0.3 < image.pixels.mean() < 0.8
