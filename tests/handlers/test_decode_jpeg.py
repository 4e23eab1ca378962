from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from radiolucent.handlers import ImageError, ImageProblem, decode, inspect
from radiolucent.handlers.jpeg_damage import is_damaged


def jpeg(image: Image.Image, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", quality=95, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def smooth() -> Image.Image:
    row, column = np.mgrid[0:64, 0:96]
    return Image.fromarray((row * 2 + column).astype(np.uint8))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_all_colour_modes_become_luminance(smooth: Image.Image, mode: str, progressive: bool) -> None:
    image = decode(jpeg(smooth.convert(mode), progressive=progressive))
    assert image.format == "jpeg"
    np.testing.assert_allclose(image.pixels, np.asarray(smooth) / 255, atol=0.02)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_honoured(smooth: Image.Image, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = jpeg(smooth, exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data)))) / 255
    assert (inspect(data).height, inspect(data).width) == upright.shape
    np.testing.assert_allclose(decode(data).pixels, upright, atol=1e-6)


@pytest.mark.parametrize(
    "exif", [b"Exif\x00\x00", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\x00\x00MM\x00*" + b"\xff" * 40]
)
def test_damaged_exif_data_are_no_reason_to_refuse(smooth: Image.Image, exif: bytes) -> None:
    assert decode(jpeg(smooth, exif=exif)).pixels.shape == (64, 96)


def test_comments_never_reach_the_decoder(smooth: Image.Image) -> None:
    plain, commented = jpeg(smooth), jpeg(smooth, comment=b"Secret^Patient" * 1000)
    assert np.array_equal(decode(plain).pixels, decode(commented).pixels)


def test_twelve_bits_are_refused_by_name(smooth: Image.Image) -> None:
    data = bytearray(jpeg(smooth))
    data[data.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(ImageError, match="12 bits") as caught:
        inspect(bytes(data))
    assert caught.value.reason is ImageProblem.UNSUPPORTED


def test_hundreds_of_scans_are_refused(smooth: Image.Image) -> None:
    data = jpeg(smooth, progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageError) as caught:
        inspect(data[:-2] + scan * 500 + data[-2:])
    assert caught.value.reason is ImageProblem.UNSUPPORTED


LAYOUTS = [
    {},
    {"progressive": True},
    {"restart_marker_blocks": 4},
    {"progressive": True, "restart_marker_rows": 1},
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("kept", [0.6, 0.75, 0.9])
def test_cut_off_pixels_are_refused_though_the_file_has_an_end(
    picture: NDArray[np.uint8], mode: str, layout: dict[str, object], kept: float
) -> None:
    data = jpeg(Image.fromarray(picture).convert(mode), **layout)
    scans = data.index(b"\xff\xda")
    cut = data[: scans + int((len(data) - scans) * kept)] + b"\xff\xd9"
    with pytest.raises(ImageError, match="cut off or damaged") as caught:
        decode(cut)
    assert caught.value.reason is ImageProblem.CORRUPT


@pytest.mark.parametrize("layout", LAYOUTS)
def test_zeros_within_the_pixels_are_refused(picture: NDArray[np.uint8], layout: dict[str, object]) -> None:
    data = bytearray(jpeg(Image.fromarray(np.tile(picture, (4, 4))), **layout))
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    with pytest.raises(ImageError, match="cut off or damaged"):
        decode(bytes(data))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_padding_before_the_end_is_no_damage(smooth: Image.Image, mode: str, layout: dict[str, object]) -> None:
    data = jpeg(smooth.convert(mode), **layout)
    for padding in (b"\xff\xff", bytes(1), bytes(50)):
        assert np.array_equal(decode(data[:-2] + padding + data[-2:]).pixels, decode(data).pixels)


def test_an_unusual_subsampling_is_no_damage(smooth: Image.Image) -> None:
    data = bytearray(jpeg(smooth.convert("RGB"), subsampling=0))
    data[data.index(b"\xff\xc0") + 11] = 0x31  # three to one, so that half of the data is missing too
    assert decode(bytes(data)).pixels.shape == (64, 96)


def test_subsampling_without_a_name_is_an_image_or_a_refusal(smooth: Image.Image) -> None:
    data = bytearray(jpeg(smooth.convert("RGB"), progressive=True))
    frame = data.index(b"\xff\xc2")
    for factors in range(256):
        data[frame + 11] = factors
        assert is_damaged(bytes(data)) in (True, False)


def test_no_real_file_is_taken_for_damaged(shared: Path) -> None:
    files = sorted((shared / "data/cxr/images").rglob("*.jp*g"))
    assert files
    for file in files[::5]:
        data = file.read_bytes()
        assert not is_damaged(data), file.name
        assert is_damaged(data[: len(data) // 10] + b"\xff\xd9"), file.name


def test_real_files_are_read(shared: Path) -> None:
    for name in ("covid_ccby4_12941_2020_358_Fig1_HTML.jpg", "mhh_covid_90986ce4_2000px.jpg"):
        data = (shared / "data/originals" / name).read_bytes()
        expected = np.asarray(Image.open(BytesIO(data)).convert("L")) / 255
        np.testing.assert_allclose(decode(data).pixels, expected, atol=0.003)
