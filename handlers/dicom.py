"""DICOM: reading what describes pixels, and nothing else.

Only elements of the pixel description are read from the file; names, identifiers and dates are skipped over and so
cannot end up in a message. pydicom's own warnings and log lines, which quote values, are silenced while it reads.
"""

from __future__ import annotations

import logging
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_fragments, parse_basic_offsets
from pydicom.filereader import read_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless

from .dicom_description import check_description
from .errors import ImageError, ImageProblem
from .image import ImageHeader
from .limits import FAULTS, check_size

__all__ = ["DicomFile", "quiet", "read_dicom"]

_TRANSFER_SYNTAX = 0x00020010
_PIXEL_DATA = 0x7FE00010
_FLOAT_PIXELS = 0x7FE00008
_DOUBLE_PIXELS = 0x7FE00009
_UNDEFINED = 0xFFFFFFFF
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_NEEDED: tuple[int, ...] = (
    0x00181164,  # Imager Pixel Spacing
    0x00182010,  # Nominal Scanned Pixel Spacing
    *(0x00280000 + element for element in (0x02, 0x04, 0x06, 0x08, 0x10, 0x11, 0x30)),  # samples ... pixel spacing
    *(0x00280000 + element for element in (0x100, 0x101, 0x102, 0x103, 0x120, 0x121)),  # bits, sign, padding value
    *(0x00281000 + element for element in (0x50, 0x51, 0x52, 0x53, 0x56)),  # window, rescale
    *(0x00281000 + element for element in (0x101, 0x102, 0x103, 0x201, 0x202, 0x203, 0x221, 0x222, 0x223)),  # palette
    0x00283000,  # Modality LUT Sequence
    0x00283010,  # VOI LUT Sequence
    _FLOAT_PIXELS,
    _DOUBLE_PIXELS,
    _PIXEL_DATA,
)
_LOGGERS = tuple(
    logging.getLogger(name) for name in ("pydicom", "pydicom.pixels.utils", "pydicom.pixels.decoders.base")
)
_quiet = threading.RLock()


@dataclass(frozen=True, eq=False)
class DicomFile:
    """A DICOM that has been read, its pixels not yet decoded.

    Parameters
    ----------
    header : ImageHeader
        Format and size.
    dataset : Dataset
        The elements that describe pixels, and the pixels; nothing of the patient.
    pixel_spacing : tuple of float, optional
        Distance of rows and of columns, mm.
    """

    header: ImageHeader
    dataset: Dataset
    pixel_spacing: tuple[float, float] | None


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from warning and logging: it quotes values of the file.

    One thread at a time, since Python's list of warning filters belongs to the process.
    """
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = [logger.disabled for logger in _LOGGERS]
        for logger in _LOGGERS:
            logger.disabled = True
        try:
            yield
        finally:
            for logger, disabled in zip(_LOGGERS, before, strict=True):
                logger.disabled = disabled


def read_dicom(data: bytes, max_pixels: int) -> DicomFile:
    """Read the pixel description of a DICOM file and check that its pixels are all there.

    Parameters
    ----------
    data : bytes
        A file with the header of DICOM Part 10.
    max_pixels : int
        Limit of rows x columns.

    Returns
    -------
    DicomFile
        What decoding needs.

    Raises
    ------
    ImageError
        If the file is no image, has several frames, is cut off, damaged, too large, or holds values that are not
        finite.
    """
    with quiet():
        try:
            dataset = _read(data, max_pixels)
            return _check(dataset, max_pixels)
        except FAULTS:
            raise ImageError(ImageProblem.CORRUPT, "the DICOM file is damaged") from None


def _read(data: bytes, max_pixels: int) -> Dataset:
    file = BytesIO(data)
    file.seek(132)
    meta = read_dataset(
        file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2, specific_tags=[_TRANSFER_SYNTAX]
    )
    if _TRANSFER_SYNTAX not in meta:
        raise ImageError(ImageProblem.CORRUPT, "the DICOM file does not name its transfer syntax")
    syntax = UID(meta[_TRANSFER_SYNTAX].value)
    if not syntax.is_transfer_syntax:
        raise ImageError(ImageProblem.UNSUPPORTED, "the DICOM file has an unknown transfer syntax")
    if syntax == DeflatedExplicitVRLittleEndian:
        file = BytesIO(_inflate(data[file.tell() :], 8 * max_pixels + (1 << 24)))
        syntax = ExplicitVRLittleEndian
    end = len(file.getbuffer())
    cut = False
    tags: set[int] = set()

    def at_the_cut(tag: int, vr: str | None, length: int) -> bool:
        nonlocal cut
        tags.add(int(tag))
        cut = length not in (0, _UNDEFINED) and length > end - file.tell()
        return cut

    dataset = read_dataset(
        file,
        syntax.is_implicit_VR,
        syntax.is_little_endian,
        stop_when=at_the_cut,
        specific_tags=list(_NEEDED),
    )
    # Pixels of undefined length whose end is missing are dropped by pydicom.
    if cut or (_PIXEL_DATA in tags and _PIXEL_DATA not in dataset):
        raise ImageError(ImageProblem.TRUNCATED, "the DICOM file ends before its image does")
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def _inflate(data: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(data, limit)
    except zlib.error:
        raise ImageError(ImageProblem.CORRUPT, "the deflated DICOM file is damaged") from None
    if unpacker.unconsumed_tail:
        raise ImageError(ImageProblem.TOO_LARGE, f"the deflated DICOM file unpacks to more than {limit} bytes")
    if not unpacker.eof:
        raise ImageError(ImageProblem.TRUNCATED, "the DICOM file ends before its image does")
    return unpacked


def _check(dataset: Dataset, max_pixels: int) -> DicomFile:
    pixels = [tag for tag in (_PIXEL_DATA, _FLOAT_PIXELS, _DOUBLE_PIXELS) if tag in dataset]
    if not pixels or not dataset[pixels[0]].value:
        raise ImageError(ImageProblem.NO_PIXELS, "the DICOM object has no pixels")
    frames = dataset.get("NumberOfFrames")
    if frames not in (None, "") and int(frames) > 1:
        raise ImageError(ImageProblem.MULTI_FRAME, "the DICOM object has several frames; a request is one image")
    if dataset.get("Rows") is None or dataset.get("Columns") is None:
        raise ImageError(ImageProblem.CORRUPT, "the DICOM object does not say how many rows and columns it has")
    height, width = int(dataset.Rows), int(dataset.Columns)
    check_size(height, width, max_pixels)
    if dataset.get("SamplesPerPixel") not in (1, 3):
        raise ImageError(
            ImageProblem.UNSUPPORTED, "the DICOM object's Samples per Pixel (0028,0002) is neither 1 nor 3"
        )
    if dataset.get("BitsAllocated") not in (1, 8, 16, 32, 64):
        raise ImageError(
            ImageProblem.UNSUPPORTED, "the DICOM object's Bits Allocated (0028,0100) is none of 1, 8, 16, 32 and 64"
        )
    check_description(dataset, integers=pixels[0] == _PIXEL_DATA)
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        _check_one_frame(dataset[pixels[0]].value, syntax, counted=frames not in (None, ""))
    else:
        _check_length(dataset, dataset[pixels[0]].value, height, width)
    if pixels[0] != _PIXEL_DATA:
        kind = np.dtype("f4" if pixels[0] == _FLOAT_PIXELS else "f8").newbyteorder(
            "<" if syntax.is_little_endian else ">"
        )
        values = np.frombuffer(dataset[pixels[0]].value, kind, height * width)
        if not np.isfinite(values).all():
            raise ImageError(ImageProblem.NOT_FINITE, "the image has values that are not finite")
    return DicomFile(ImageHeader("dicom", height, width), dataset, _spacing(dataset))


def _check_one_frame(value: bytes, syntax: UID, *, counted: bool) -> None:
    """Refuse a second frame that the object does not count. A single frame may be spread over several fragments."""
    buffer = BytesIO(value)
    # Where the object says it has one frame, a table with more entries lists the fragments, as some writers do.
    several = len(parse_basic_offsets(buffer)) > 1 and not counted
    if syntax == RLELossless:
        begins: tuple[bytes, ...] = (b"",)  # each fragment is a frame, PS3.5 A.4.2
    else:
        begins = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")  # JPEG and JPEG-LS, JPEG 2000
    if several or sum(fragment.startswith(begins) for fragment in generate_fragments(buffer)) > 1:
        raise ImageError(ImageProblem.MULTI_FRAME, "the DICOM object has several frames; a request is one image")


def _check_length(dataset: Dataset, value: bytes, height: int, width: int) -> None:
    samples = float(dataset.SamplesPerPixel)
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        samples = 2
    expected = int(np.ceil(height * width * samples * int(dataset.BitsAllocated) / 8))
    if len(value) < expected:
        raise ImageError(ImageProblem.TRUNCATED, "the DICOM object has fewer pixels than it says")


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    for name in _SPACINGS:
        value: Any = dataset.get(name)
        try:
            row, column = (float(part) for part in value)
        except (TypeError, ValueError):
            continue
        if 0 < row < np.inf and 0 < column < np.inf:
            return row, column
    return None
