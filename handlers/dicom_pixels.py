"""DICOM: from stored values to brightness."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels import apply_color_lut, get_decoder
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import (
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from . import gdcm_process, jpeg
from .dicom import DicomFile, quiet
from .errors import ImageError, ImageProblem
from .jpeg_damage import is_damaged
from .limits import FAULTS
from .luminance import luminance
from .tone import brightness, read_tone

__all__ = ["decode_dicom"]

_IN_PROCESS = ("pillow", "pydicom", "pyjpegls", "pylibjpeg")
"""Decoders that fail with an exception. pydicom's own first choice is GDCM, which damaged streams crash."""
_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")


def decode_dicom(file: DicomFile) -> NDArray[np.float32]:
    """Decode and display the one frame of a DICOM object, as PS3.4 N.2 describes it.

    Parameters
    ----------
    file : DicomFile
        What was read.

    Returns
    -------
    ndarray of float32, shape [rows, columns]
        Brightness, 0 to 1.

    Raises
    ------
    ImageError
        If the pixels are damaged, of a kind that cannot be decoded here, or not finite.
    """
    with quiet():
        try:
            return _decode(file)
        except NotImplementedError:
            raise ImageError(ImageProblem.UNSUPPORTED, "the DICOM object's compression is not supported") from None
        except FAULTS:
            raise ImageError(ImageProblem.CORRUPT, "the DICOM object's pixels are damaged") from None


def _decode(file: DicomFile) -> NDArray[np.float32]:
    dataset = file.dataset
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    if not decoder.is_available:
        raise NotImplementedError
    if decoder.is_encapsulated:
        _check_stream(file)
    stored, interpretation = _stored(decoder, dataset)
    if stored.shape[:2] != (file.header.height, file.header.width):
        raise ImageError(ImageProblem.CORRUPT, "the DICOM object's pixels are not as many as it says")
    if interpretation in _MONOCHROME and stored.ndim == 2:
        return _grey(stored, dataset, inverted=interpretation == "MONOCHROME1")
    if interpretation == "PALETTE COLOR" and stored.ndim == 2:
        colours = apply_color_lut(stored, dataset)
        return luminance(colours, 2 ** (8 * colours.dtype.itemsize) - 1)
    if interpretation == "RGB" and stored.ndim == 3 and stored.dtype.kind == "u":
        return luminance(stored, 2 ** int(dataset.BitsStored) - 1)
    raise ImageError(
        ImageProblem.UNSUPPORTED,
        "the DICOM object's Photometric Interpretation (0028,0004) is not supported for pixels of its kind",
    )


def _stored(decoder: Decoder, dataset: Dataset) -> tuple[NDArray[Any], str]:
    """Unpack the stored values; returns them with the photometric interpretation that they have now."""
    plugin = ""
    if decoder.is_encapsulated:
        safe = [name for name in _IN_PROCESS if name in decoder.available_plugins]
        if not safe:
            return gdcm_process.decode(dataset)
        plugin = safe[0]
    stored, properties = decoder.as_array(dataset, index=0, raw=False, decoding_plugin=plugin)
    return stored, str(properties["photometric_interpretation"])


def _grey(stored: NDArray[Any], dataset: Dataset, *, inverted: bool) -> NDArray[np.float32]:
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        raise ImageError(ImageProblem.NOT_FINITE, "the image has values that are not finite")
    padding = _padding(stored, dataset)
    tone = read_tone(dataset)
    if stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2:
        # Few values, many pixels: compute each value once.
        low, high = int(stored.min()), int(stored.max())
        present = stored if padding is None or padding.all() else stored[~padding]
        table = brightness(np.arange(low, high + 1), tone, int(present.min()), int(present.max()))
        plane: NDArray[np.float32] = table[stored.astype(np.int32) - low]
    else:
        present = stored if padding is None or padding.all() else stored[~padding]
        plane = brightness(stored, tone, present.min(), present.max())
    if not np.isfinite(plane).all():
        raise ImageError(ImageProblem.NOT_FINITE, "the image has values that are not finite")
    if inverted:
        plane = np.float32(1) - plane
    if padding is not None:
        plane[padding] = 0
    return plane


def _padding(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.bool_] | None:
    """Find pixels outside the exposed field: they count for no range and are shown black."""
    first = dataset.get("PixelPaddingValue")
    if first is None or dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return None  # after lossy compression the value is not exact
    last = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(first), int(first if last is None else last)))
    found: NDArray[np.bool_] = (stored >= low) & (stored <= high)
    return found if found.any() else None


def _check_stream(file: DicomFile) -> None:
    """Refuse a compressed stream that unpacks to something else than the header says: a bomb."""
    syntax = file.dataset.file_meta.TransferSyntaxUID
    stream = get_frame(file.dataset.PixelData, 0, number_of_frames=1)
    height, width = file.header.height, file.header.width
    samples = int(file.dataset.SamplesPerPixel)
    size: tuple[int, ...] | None
    if syntax in JPEGTransferSyntaxes or syntax in JPEGLSTransferSyntaxes:
        size = jpeg.frame_size(stream)
        if size is not None and syntax == JPEGExtended12Bit and size[2] != 8:
            raise NotImplementedError  # neither Pillow nor GDCM gets these right
    elif syntax in JPEG2000TransferSyntaxes:
        size = _jpeg2000_size(stream)
    elif syntax == RLELossless:
        # A run of one byte takes two, and nothing else makes the stream longer than the pixels.
        longest = 2 * height * width * samples * int(file.dataset.BitsAllocated) // 8 + 1024
        size = (height, width) if len(stream) <= longest else None
    else:
        raise NotImplementedError
    if size is None or size[:2] != (height, width):
        raise ImageError(ImageProblem.CORRUPT, "the DICOM object's pixels are not as many as it says")
    # Lossless JPEG, JPEG-LS and JPEG 2000 have decoders that refuse what is cut off.
    if syntax in (JPEGBaseline8Bit, JPEGExtended12Bit) and is_damaged(stream):
        raise ImageError(ImageProblem.CORRUPT, "the DICOM object's pixels are cut off or damaged")


def _jpeg2000_size(stream: bytes) -> tuple[int, int] | None:
    start = stream.find(b"\xff\x4f\xff\x51", 0, 4096)  # start of codestream, then its size
    if start < 0 or len(stream) < start + 42:
        return None
    right, bottom, left, top = (int.from_bytes(stream[start + 8 + i : start + 12 + i], "big") for i in (0, 4, 8, 12))
    if int.from_bytes(stream[start + 40 : start + 42], "big") > 4:
        return None
    return bottom - top, right - left
