from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import apply_windowing
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian
from radiolucent.handlers import ImageError, ImageProblem, decode, inspect

Encode = Callable[..., bytes]


def lut(entries: NDArray[Any], first: int, bits: int) -> list[Dataset]:
    item = Dataset()
    item.add_new(0x00283002, "SS" if first < 0 else "US", [len(entries) % 65536, first, bits])
    item.add_new(0x00283006, "OW", np.asarray(entries, "<u2").tobytes())
    return [item]


@pytest.fixture(scope="module")
def twelve() -> NDArray[Any]:
    return np.random.default_rng(3).integers(100, 4000, (20, 30)).astype(np.uint16)


@pytest.fixture(scope="module")
def signed() -> NDArray[Any]:
    return np.random.default_rng(4).integers(-2000, 2000, (20, 30)).astype(np.int16)


def spread(values: NDArray[Any]) -> NDArray[Any]:
    return (values - values.min()) / (values.max() - values.min())


def test_eight_bits_without_a_window_look_like_their_png(
    dicom: Encode, png: Encode, picture: NDArray[np.uint8]
) -> None:
    assert np.array_equal(decode(dicom(picture)).pixels, decode(png(picture)).pixels)


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.uint32, np.int32])
def test_more_bits_without_a_window_are_spread_over_their_range(
    dicom: Encode, twelve: NDArray[np.uint16], kind: type[np.generic]
) -> None:
    values = twelve.astype(kind) - (kind(1000) if np.dtype(kind).kind == "i" else 0)
    elements = {"BitsStored": 12} if kind is np.uint16 else {}
    np.testing.assert_allclose(decode(dicom(values, **elements)).pixels, spread(twelve.astype(float)), atol=1e-6)


def test_monochrome1_is_inverted(dicom: Encode, twelve: NDArray[np.uint16]) -> None:
    plain = decode(dicom(twelve, WindowCenter=2000, WindowWidth=3000)).pixels
    inverse = decode(dicom(twelve, WindowCenter=2000, WindowWidth=3000, PhotometricInterpretation="MONOCHROME1")).pixels
    np.testing.assert_allclose(inverse, 1 - plain, atol=1e-6)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": 2, "RescaleIntercept": -1024}])
def test_windows_are_those_of_the_standard(
    dicom: Encode, signed: NDArray[np.int16], function: str, rescale: dict[str, int]
) -> None:
    elements = {"WindowCenter": 40, "WindowWidth": 400, "VOILUTFunction": function, **rescale}
    described = Dataset()
    for keyword, value in {**elements, "PhotometricInterpretation": "MONOCHROME2"}.items():
        setattr(described, keyword, value)
    described.BitsStored, described.PixelRepresentation = 16, 1
    slope, intercept = rescale.get("RescaleSlope", 1), rescale.get("RescaleIntercept", 0)
    shown = apply_windowing(signed * float(slope) + intercept, described)
    low, high = (v * slope + intercept for v in (-32768, 32767))
    np.testing.assert_allclose(decode(dicom(signed, **elements)).pixels, (shown - low) / (high - low), atol=1e-5)


def test_a_negative_slope_turns_grey_values_round(dicom: Encode, twelve: NDArray[np.uint16]) -> None:
    pixels = decode(dicom(twelve, RescaleSlope=-1, RescaleIntercept=4095)).pixels
    np.testing.assert_allclose(pixels, 1 - spread(twelve.astype(float)), atol=1e-6)


def test_the_first_of_several_windows_counts(dicom: Encode, twelve: NDArray[np.uint16]) -> None:
    several = decode(dicom(twelve, WindowCenter=[1000, 3000], WindowWidth=[500, 100])).pixels
    assert np.array_equal(several, decode(dicom(twelve, WindowCenter=1000, WindowWidth=500)).pixels)


@pytest.mark.parametrize("window", [{"WindowCenter": 10, "WindowWidth": 0}, {"WindowCenter": 10}, {"WindowWidth": ""}])
def test_a_window_that_cannot_be_used_is_none(
    dicom: Encode, twelve: NDArray[np.uint16], window: dict[str, Any]
) -> None:
    assert np.array_equal(decode(dicom(twelve, **window)).pixels, decode(dicom(twelve)).pixels)


def test_a_window_one_value_wide_is_a_step(dicom: Encode, twelve: NDArray[np.uint16]) -> None:
    pixels = decode(dicom(twelve, WindowCenter=2000, WindowWidth=1)).pixels
    assert np.array_equal(pixels, (twelve > 1999.5).astype(np.float32))


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian])
def test_a_voi_lut_is_looked_up_and_clamped(dicom: Encode, twelve: NDArray[np.uint16], syntax: str | None) -> None:
    entries = (np.arange(1000) ** 2 // 300) % 4096
    options = {"syntax": syntax} if syntax else {}
    pixels = decode(dicom(twelve, VOILUTSequence=lut(entries, 500, 12), **options)).pixels
    expected = entries[np.clip(twelve.astype(int) - 500, 0, 999)] / 4095
    np.testing.assert_allclose(pixels, expected, atol=1e-6)


def test_a_voi_lut_wins_over_a_window(dicom: Encode, twelve: NDArray[np.uint16]) -> None:
    sequence = lut(np.arange(4096), 0, 12)
    both = decode(dicom(twelve, VOILUTSequence=sequence, WindowCenter=1, WindowWidth=1)).pixels
    np.testing.assert_allclose(both, twelve / 4095, atol=1e-6)


def test_a_signed_voi_lut_starts_below_zero(dicom: Encode, signed: NDArray[np.int16]) -> None:
    pixels = decode(dicom(signed, VOILUTSequence=lut(np.arange(4096), -2048, 12))).pixels
    np.testing.assert_allclose(pixels, (signed.astype(int) + 2048) / 4095, atol=1e-6)


def test_a_modality_lut_comes_before_the_window(dicom: Encode, twelve: NDArray[np.uint16]) -> None:
    entries = 4095 - np.arange(4096)
    pixels = decode(
        dicom(
            twelve,
            ModalityLUTSequence=lut(entries, 0, 12),
            WindowCenter=2048,
            WindowWidth=4096,
            VOILUTFunction="LINEAR_EXACT",
        )
    ).pixels
    np.testing.assert_allclose(pixels, (4095 - twelve.astype(int)) / 4096, atol=1e-5)


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_a_uniform_image_divides_nothing_by_zero(dicom: Encode, interpretation: str) -> None:
    pixels = decode(dicom(np.full((6, 8), 1234, np.uint16), PhotometricInterpretation=interpretation)).pixels
    assert len(np.unique(pixels)) == 1


def test_padding_is_black_and_outside_the_range(dicom: Encode, twelve: NDArray[np.uint16]) -> None:
    padded = twelve.copy()
    padded[:, :5] = 65535
    pixels = decode(dicom(padded, PixelPaddingValue=65535)).pixels
    assert (pixels[:, :5] == 0).all()
    np.testing.assert_allclose(pixels[:, 5:], spread(twelve[:, 5:].astype(float)), atol=1e-6)


def test_bits_above_those_stored_are_ignored(dicom: Encode, twelve: NDArray[np.uint16]) -> None:
    clean = decode(dicom(twelve, BitsStored=12)).pixels
    assert np.array_equal(decode(dicom(twelve | 0x8000, BitsStored=12)).pixels, clean)


def test_rgb_becomes_luminance(dicom: Encode) -> None:
    rgb = np.random.default_rng(5).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    np.testing.assert_allclose(decode(dicom(rgb)).pixels, rgb @ (0.299, 0.587, 0.114) / 255, atol=1e-6)


def test_a_palette_is_looked_up(dicom: Encode, picture: NDArray[np.uint8]) -> None:
    ramp = np.arange(256, dtype="<u2") * 257
    tables = {f"{colour}PaletteColorLookupTableData": ramp.tobytes() for colour in ("Red", "Green", "Blue")}
    shapes = {f"{colour}PaletteColorLookupTableDescriptor": [256, 0, 16] for colour in ("Red", "Green", "Blue")}
    pixels = decode(dicom(picture, PhotometricInterpretation="PALETTE COLOR", **tables, **shapes)).pixels
    np.testing.assert_allclose(pixels, picture / 255, atol=1e-5)


def test_float_pixels_are_spread_over_their_range(dicom: Encode) -> None:
    values = np.linspace(-3, 5, 48, dtype=np.float32).reshape(6, 8)
    np.testing.assert_allclose(decode(dicom(values)).pixels, spread(values), atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_values_that_are_not_finite_are_refused_before_decoding(
    dicom: Encode, kind: type[np.generic], bad: float
) -> None:
    values = np.ones((6, 8), kind)
    values[3, 3] = bad
    with pytest.raises(ImageError) as caught:
        inspect(dicom(values))
    assert caught.value.reason is ImageProblem.NOT_FINITE


def test_the_pixel_spacing_is_told(dicom: Encode, picture: NDArray[np.uint8]) -> None:
    assert decode(dicom(picture, PixelSpacing=[0.2, 0.1])).pixel_spacing == (0.2, 0.1)
    assert decode(dicom(picture, ImagerPixelSpacing=[0.3, 0.3])).pixel_spacing == (0.3, 0.3)
    assert decode(dicom(picture)).pixel_spacing is None


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_RLE.dcm",
        "MR_small_implicit.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_padded.dcm",
    ],
)
def test_a_lossless_transfer_syntax_changes_nothing(shipped: Callable[[str], bytes], name: str) -> None:
    assert np.array_equal(decode(shipped(name)).pixels, decode(shipped("MR_small.dcm")).pixels)


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_jpeg_gdcm.dcm",  # lossless JPEG
        "SC_rgb_rle.dcm",
        "SC_rgb_rle_16bit.dcm",
        "SC_rgb_gdcm_KY.dcm",  # JPEG 2000
        "SC_rgb_jpeg_dcmtk.dcm",  # JPEG, YBR_FULL
        "SC_rgb_dcmtk_+eb+cy+s2.dcm",  # JPEG, YBR_FULL_422
        "SC_ybr_full_422_uncompressed.dcm",
        "SC_rgb_jls_lossy_line.dcm",  # JPEG-LS
    ],
)
def test_every_colour_space_and_compression_gives_the_same_picture(shipped: Callable[[str], bytes], name: str) -> None:
    expected = decode(shipped("SC_rgb_rle.dcm")).pixels
    assert np.abs(decode(shipped(name)).pixels - expected).mean() < 0.01


@pytest.mark.parametrize("name", ["693_J2KI.dcm", "image_dfl.dcm", "examples_palette.dcm", "liver_1frame.dcm"])
def test_shipped_files_are_read(shipped: Callable[[str], bytes], name: str) -> None:
    pixels = decode(shipped(name)).pixels
    assert 0 <= pixels.min() < pixels.max() <= 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("MR_truncated.dcm", ImageProblem.TRUNCATED),
        ("rtplan_truncated.dcm", ImageProblem.TRUNCATED),
        ("SC_rgb_rle_2frame.dcm", ImageProblem.MULTI_FRAME),
        ("rtdose.dcm", ImageProblem.MULTI_FRAME),
        ("reportsi.dcm", ImageProblem.NO_PIXELS),
        ("test-SR.dcm", ImageProblem.NO_PIXELS),
        ("JPEG-lossy.dcm", ImageProblem.UNSUPPORTED),
    ],
)
def test_shipped_files_are_refused_for_what_is_wrong(
    shipped: Callable[[str], bytes], name: str, reason: ImageProblem
) -> None:
    with pytest.raises(ImageError) as caught:
        decode(shipped(name))
    assert caught.value.reason is reason


def test_a_stream_larger_than_its_header_is_refused(shipped: Callable[[str], bytes]) -> None:
    data = bytearray(shipped("SC_rgb_jpeg_dcmtk.dcm"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = b"\xea\x60\xea\x60"
    with pytest.raises(ImageError) as caught:
        decode(bytes(data))
    assert caught.value.reason is ImageProblem.CORRUPT


def compressed(data: bytes, *frames: bytes, offsets: bool = True, fragments: int = 1) -> bytes:
    """Put other frames into an encapsulated file that does not count them."""
    dataset = dcmread(BytesIO(data))
    if "NumberOfFrames" in dataset:
        del dataset.NumberOfFrames
    dataset.PixelData = encapsulate(list(frames), fragments, has_bot=offsets)
    file = BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def first_frame(data: bytes) -> bytes:
    return get_frame(dcmread(BytesIO(data)).PixelData, 0, number_of_frames=1)


@pytest.mark.parametrize("name", ["SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_small_odd_jpeg.dcm"])
def test_a_jpeg_cut_off_within_a_dicom_is_refused(shipped: Callable[[str], bytes], name: str) -> None:
    data = shipped(name)
    frame = first_frame(data)
    assert np.array_equal(decode(compressed(data, frame)).pixels, decode(data).pixels)
    scan = frame.index(b"\xff\xda")
    half = frame[: scan + (len(frame) - scan) // 2]
    for cut in (half, half + b"\xff\xd9"):
        with pytest.raises(ImageError) as caught:
            decode(compressed(data, cut))
        assert caught.value.reason is ImageProblem.CORRUPT


@pytest.mark.parametrize("offsets", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
    ],
)
def test_a_second_frame_that_is_not_counted_is_refused(
    shipped: Callable[[str], bytes], name: str, offsets: bool
) -> None:
    data = shipped(name)
    frame = first_frame(data)
    assert inspect(compressed(data, frame, offsets=offsets)).format == "dicom"
    for look in (inspect, decode):
        with pytest.raises(ImageError) as caught:
            look(compressed(data, frame, frame, offsets=offsets))
        assert caught.value.reason is ImageProblem.MULTI_FRAME


@pytest.mark.parametrize("name", ["SC_rgb_jpeg_dcmtk.dcm", "MR_small_jp2klossless.dcm"])
def test_one_frame_may_be_spread_over_fragments(shipped: Callable[[str], bytes], name: str) -> None:
    data = shipped(name)
    spread_out = compressed(data, first_frame(data), offsets=False, fragments=3)
    assert np.array_equal(decode(spread_out).pixels, decode(data).pixels)


def test_a_deflated_bomb_is_not_unpacked(dicom: Encode) -> None:
    data = dicom(np.zeros((4000, 4000), np.uint8), syntax=DeflatedExplicitVRLittleEndian)
    assert len(data) < 100_000
    with pytest.raises(ImageError) as caught:
        inspect(data, max_pixels=1000)
    assert caught.value.reason is ImageProblem.TOO_LARGE


def test_pydicom_neither_logs_nor_warns_of_values(
    dicom: Encode, picture: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    data = dicom(picture, WindowCenter=40, WindowWidth=400).replace(b"40", b"4x")
    data = data.replace(b"12345-SECRET", b"\xff\xfe\x00\x01\x02-SECRET")
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert "SECRET" not in str(caught.value).upper()
    assert not caplog.records


def test_pydicom_can_log_again_afterwards(
    dicom: Encode, picture: NDArray[np.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    decode(dicom(picture))
    logging.getLogger("pydicom").warning("heard")
    assert "heard" in caplog.text


def test_a_stream_that_kills_gdcm_kills_nothing_else(shipped: Callable[[str], bytes]) -> None:
    data = bytearray(shipped("SC_rgb_jpeg_gdcm.dcm"))
    frame = data.index(b"\xff\xc3")
    data[frame + 4] = 87  # bits per channel: GDCM ends in a segmentation fault
    with pytest.raises(ImageError) as caught:
        decode(bytes(data))
    assert caught.value.reason is ImageProblem.CORRUPT
    assert decode(shipped("SC_rgb_jpeg_gdcm.dcm")).pixels.shape == (100, 100)


def test_the_decoder_process_ends_with_its_owner(tmp_path: Path, shipped: Callable[[str], bytes]) -> None:
    (tmp_path / "x.dcm").write_bytes(shipped("SC_rgb_jpeg_gdcm.dcm"))
    program = (
        "import sys, pathlib; from radiolucent.handlers import decode, gdcm_process;"
        "decode(pathlib.Path(sys.argv[1]).read_bytes()); print(gdcm_process._PROCESS._process.pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x.dcm")], capture_output=True, text=True, check=True
    )
    check = subprocess.run(["kill", "-0", done.stdout.strip()], capture_output=True)
    assert check.returncode != 0


def test_monochrome1_of_the_same_pixels_is_the_inverse(shared: Path) -> None:
    folder = shared / "data/originals"
    plain = decode((folder / "rsna_cr_chest_pa_jpeg_baseline.dcm").read_bytes())
    inverse = decode((folder / "rsna_cr_chest_relabelled_monochrome1.dcm").read_bytes())
    np.testing.assert_allclose(inverse.pixels, 1 - plain.pixels, atol=1e-6)
    assert plain.pixel_spacing is not None
    # Lungs (left and right of the middle) are darker than the spine between them, as on a light box.
    lungs = (plain.pixels[350:500, 250:380].mean() + plain.pixels[350:500, 640:770].mean()) / 2
    assert lungs < plain.pixels[350:500, 490:530].mean()
