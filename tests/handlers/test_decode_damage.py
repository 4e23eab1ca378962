"""Whatever the bytes: an image or an ImageError, soon, that quotes nothing."""

from __future__ import annotations

import pickle
import resource
import struct
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from radiolucent.handlers import ImageError, ImageProblem, XRay, decode, inspect

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# A place in a file, whatever its length: files of all kinds then draw the same examples.
SHARE = st.floats(0, 1, exclude_max=True)

Encode = Callable[..., bytes]


@pytest.fixture(scope="session")
def good(png: Encode, dicom: Encode, shipped: Callable[[str], bytes], picture: NDArray[np.uint8]) -> dict[str, bytes]:
    file = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture).save(file, "JPEG", exif=exif)
    progressive = BytesIO()
    Image.fromarray(picture).convert("RGB").save(progressive, "JPEG", progressive=True)
    return {
        "grey.png": png(picture),
        "deep.png": png(picture.astype(np.uint16) * 257, depth=16),
        "palette.png": png(picture, colour=3, extra=((b"PLTE", bytes(range(256)) * 3),)),
        "exif.jpg": file.getvalue(),
        "progressive.jpg": progressive.getvalue(),
        "plain.dcm": dicom(picture, WindowCenter=100, WindowWidth=200),
        "deep.dcm": dicom(picture.astype(np.int16) * 50, RescaleSlope=2, RescaleIntercept=-5),
        "rle.dcm": _without_what_follows_the_pixels(shipped("MR_small_RLE.dcm")),
        "jpeg.dcm": shipped("SC_rgb_small_odd_jpeg.dcm"),
        "jpeg2000.dcm": _without_what_follows_the_pixels(shipped("MR_small_jp2klossless.dcm")),
        "lossless.dcm": shipped("SC_rgb_jpeg_gdcm.dcm"),
        "jpegls.dcm": _without_what_follows_the_pixels(shipped("MR_small_jpeg_ls_lossless.dcm")),
        "deflated.dcm": shipped("image_dfl.dcm"),
    }


def _without_what_follows_the_pixels(file: bytes) -> bytes:
    delimiter = b"\xfe\xff\xdd\xe0" + bytes(4)
    return file[: file.rindex(delimiter) + len(delimiter)]


def image_or_refusal(data: bytes) -> XRay | ImageError:
    start = time.thread_time()
    result: XRay | ImageError
    try:
        result = decode(data, max_pixels=1_000_000)
    except ImageError as error:
        result = error
    assert time.thread_time() - start < 3
    if isinstance(result, ImageError):
        assert len(str(result)) < 120
        assert "secret" not in str(result).lower()
    else:
        assert result.pixels.ndim == 2
        assert result.pixels.dtype == np.float32
        assert np.isfinite(result.pixels).all()
        assert 0 <= result.pixels.min() <= result.pixels.max() <= 1
    return result


KINDS = [
    "grey.png",
    "deep.png",
    "palette.png",
    "exif.jpg",
    "progressive.jpg",
    "plain.dcm",
    "deep.dcm",
    "rle.dcm",
    "jpeg.dcm",
    "jpeg2000.dcm",
    "lossless.dcm",
    "jpegls.dcm",
    "deflated.dcm",
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_undamaged_file_is_an_image(good: dict[str, bytes], kind: str) -> None:
    assert isinstance(image_or_refusal(good[kind]), XRay)


@pytest.mark.parametrize("kind", KINDS)
@QUICK
@given(changes=st.lists(st.tuples(SHARE, st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_give_an_image_or_a_refusal(
    good: dict[str, bytes], kind: str, changes: list[tuple[float, int]]
) -> None:
    file = bytearray(good[kind])
    for share, value in changes:
        file[int(share * len(file))] = value
    image_or_refusal(bytes(file))


@pytest.mark.parametrize("kind", KINDS)
@settings(QUICK, max_examples=60)
@given(share=SHARE)
def test_a_file_cut_anywhere_is_refused(good: dict[str, bytes], kind: str, share: float) -> None:
    file = good[kind]
    # Cut off what matters: the last bytes of a file may be padding, or the end marker alone.
    cut = int(share * (len(file) - 23))
    with pytest.raises(ImageError):
        decode(file[:cut])


@QUICK
@given(st.binary(max_size=400))
def test_rubbish_is_refused(rubbish: bytes) -> None:
    assert isinstance(image_or_refusal(rubbish), ImageError)


@pytest.mark.parametrize("prefix", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", bytes(128) + b"DICM"])
@QUICK
@given(rubbish=st.binary(max_size=400))
def test_rubbish_behind_a_signature_is_refused(prefix: bytes, rubbish: bytes) -> None:
    assert isinstance(image_or_refusal(prefix + rubbish), ImageError)


def huge(kind: str, good: dict[str, bytes]) -> bytes:
    if kind == "png":
        file = bytearray(good["grey.png"])
        file[16:24] = struct.pack(">II", 60_000, 60_000)
    elif kind == "jpeg":
        file = bytearray(good["progressive.jpg"])
        frame = file.index(b"\xff\xc2")
        file[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    else:
        file = bytearray(good["plain.dcm"])
        for element in (b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x11\x00US\x02\x00"):
            at = file.index(element) + 8
            file[at : at + 2] = struct.pack("<H", 60_000)
    return bytes(file)


@pytest.mark.parametrize("look", [inspect, decode])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda good: b"", ImageProblem.EMPTY),
        (lambda good: b"This is a text, named .png\n" * 10, ImageProblem.UNKNOWN_FORMAT),
        (lambda good: b"GIF89a" + bytes(200), ImageProblem.UNKNOWN_FORMAT),
        (lambda good: good["grey.png"][:20], ImageProblem.TRUNCATED),
        (lambda good: good["grey.png"][:-40], ImageProblem.TRUNCATED),
        (lambda good: good["exif.jpg"][:-40], ImageProblem.TRUNCATED),
        (lambda good: good["exif.jpg"][:100], ImageProblem.TRUNCATED),
        (lambda good: good["plain.dcm"][:-40], ImageProblem.TRUNCATED),
        (lambda good: good["rle.dcm"][:-40], ImageProblem.TRUNCATED),
        (lambda good: good["deflated.dcm"][:-40], ImageProblem.TRUNCATED),
        (lambda good: huge("png", good), ImageProblem.TOO_LARGE),
        (lambda good: huge("jpeg", good), ImageProblem.TOO_LARGE),
        (lambda good: huge("dicom", good), ImageProblem.TOO_LARGE),
    ],
)
def test_bad_input_is_refused_in_milliseconds(
    good: dict[str, bytes],
    make: Callable[[dict[str, bytes]], bytes],
    reason: ImageProblem,
    look: Callable[[bytes], object],
) -> None:
    data = make(good)
    inspect(good["plain.dcm"])  # imports are not what is measured
    start = time.thread_time()
    with pytest.raises(ImageError) as caught:
        look(data)
    assert time.thread_time() - start < 0.1
    assert caught.value.reason is reason


@pytest.mark.parametrize("elements", [{"Rows": 0}, {"Columns": 0}])
def test_an_image_without_rows_or_columns_is_refused(
    dicom: Encode, picture: NDArray[np.uint8], elements: dict[str, Any]
) -> None:
    with pytest.raises(ImageError) as caught:
        inspect(dicom(picture, **elements))
    assert caught.value.reason is ImageProblem.EMPTY


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"PixelData": None}, ImageProblem.NO_PIXELS),
        ({"NumberOfFrames": 2}, ImageProblem.MULTI_FRAME),
        ({"Rows": 4000}, ImageProblem.TRUNCATED),
        ({"Rows": None}, ImageProblem.CORRUPT),
        ({"SamplesPerPixel": 7}, ImageProblem.UNSUPPORTED),
    ],
)
def test_a_dicom_that_contradicts_itself_is_refused(
    dicom: Encode, picture: NDArray[np.uint8], elements: dict[str, Any], reason: ImageProblem
) -> None:
    with pytest.raises(ImageError) as caught:
        inspect(dicom(picture, **elements))
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("elements", "reason", "attribute"),
    [
        ({"PhotometricInterpretation": None}, ImageProblem.CORRUPT, "lacks Photometric Interpretation"),
        ({"PhotometricInterpretation": ""}, ImageProblem.CORRUPT, "lacks Photometric Interpretation"),
        (
            {"PhotometricInterpretation": "SECRET"},
            ImageProblem.UNSUPPORTED,
            "Photometric Interpretation .* is unknown or not supported",
        ),
        (
            {"PhotometricInterpretation": "HSV"},
            ImageProblem.UNSUPPORTED,
            "Photometric Interpretation .* is unknown or not supported",
        ),
        ({"PhotometricInterpretation": "RGB"}, ImageProblem.CORRUPT, "Samples per Pixel .* must be 3"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, ImageProblem.CORRUPT, "lacks Red Palette .* Descriptor"),
        ({"BitsStored": 12}, ImageProblem.CORRUPT, "Bits Stored .* must be 1 to Bits Allocated"),
        ({"PixelRepresentation": None}, ImageProblem.CORRUPT, "lacks Pixel Representation"),
        ({"PixelRepresentation": 2}, ImageProblem.CORRUPT, "Pixel Representation .* must be 0 or 1"),
        ({"BitsAllocated": 24}, ImageProblem.UNSUPPORTED, "Bits Allocated"),
    ],
)
def test_a_pixel_description_that_cannot_be_used_is_named(
    dicom: Encode, picture: NDArray[np.uint8], elements: dict[str, Any], reason: ImageProblem, attribute: str
) -> None:
    with pytest.raises(ImageError, match=attribute) as caught:
        inspect(dicom(picture, **elements))
    assert caught.value.reason is reason
    assert "SECRET" not in str(caught.value)


def test_a_colour_image_says_how_its_planes_lie(dicom: Encode, picture: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageError, match="lacks Planar Configuration"):
        inspect(dicom(np.stack([picture] * 3, axis=-1), PlanarConfiguration=None))


def test_signed_colours_are_refused_for_what_they_are(dicom: Encode, picture: NDArray[np.uint8]) -> None:
    with pytest.raises(ImageError, match=r"Photometric Interpretation .* not supported for pixels of its kind"):
        decode(dicom(np.stack([picture.astype(np.int8)] * 3, axis=-1)))


def test_one_frame_may_be_counted(dicom: Encode, picture: NDArray[np.uint8]) -> None:
    assert inspect(dicom(picture, NumberOfFrames=1)).height == 40


def test_a_compressed_bomb_does_not_fill_memory(png: Encode) -> None:
    # 20 kB that would unpack to 20 million rows of nothing, in an image that says it has one row.
    bomb = png(np.zeros((20_000, 1000), np.uint8), size=(1, 1000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    image_or_refusal(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000  # kB


def test_a_limit_is_a_limit(png: Encode, picture: NDArray[np.uint8]) -> None:
    assert inspect(png(picture), max_pixels=40 * 56).width == 56
    with pytest.raises(ImageError, match="56 x 40"):
        inspect(png(picture), max_pixels=40 * 56 - 1)


def test_the_error_survives_a_trip_between_processes() -> None:
    error = pickle.loads(pickle.dumps(ImageError(ImageProblem.CORRUPT, "broken")))  # noqa: S301
    assert (error.reason, str(error)) == (ImageProblem.CORRUPT, "broken")
