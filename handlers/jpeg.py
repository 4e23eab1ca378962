"""JPEG, 8 bits, baseline and progressive, grey or colour.

The segments before the pixels are walked, and only what pixels need is handed to Pillow: EXIF, XMP and comments
hold identifiers. The one thing wanted of them, the EXIF orientation, is read here. Damage within the pixels is found as
far as :mod:`.jpeg_damage` says.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL.JpegImagePlugin import JpegImageFile

from .errors import ImageError, ImageProblem
from .image import ImageHeader
from .jpeg_damage import is_damaged
from .limits import FAULTS, check_size
from .luminance import luminance

__all__ = ["SIGNATURE", "JpegFile", "decode_jpeg", "frame_size", "read_jpeg"]

SIGNATURE = b"\xff\xd8\xff"

_START_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""Markers that hold the size: JPEG's own, and 0xF7 of JPEG-LS."""
_WITHOUT_CONTENT = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = b"\xff\xd9"
_ORIENTATION = 0x0112
_MAX_SCANS = 200
"""A progressive JPEG has about ten; each one costs a pass over all pixels."""


@dataclass(frozen=True)
class JpegFile:
    """A JPEG that has been walked, not decoded.

    Parameters
    ----------
    header : ImageHeader
        Format and size as displayed.
    orientation : int
        EXIF orientation, 1 to 8; 1 where there is none.
    data : bytes
        The file without metadata.
    """

    header: ImageHeader
    orientation: int
    data: bytes


def read_jpeg(data: bytes, max_pixels: int) -> JpegFile:
    """Walk the segments of a JPEG.

    Parameters
    ----------
    data : bytes
        The file.
    max_pixels : int
        Limit of height x width.

    Returns
    -------
    JpegFile
        What decoding needs.

    Raises
    ------
    ImageError
        If the file is cut off, damaged, too large or of a kind that cannot be decoded.
    """
    kept: list[bytes] = [data[:2]]
    size: tuple[int, int, int] | None = None
    orientation = 1
    for marker, start, content, end in _segments(data):
        if marker == _START_OF_SCAN:
            kept.append(data[start:])
            break
        if marker in _START_OF_FRAME:
            size = _frame(data[content:end])
        if marker == 0xE1 and data[content : content + 6] == b"Exif\x00\x00":
            orientation = _exif_orientation(data[content + 6 : end])
        # Of the application segments JFIF (0xE0) and Adobe's (0xEE) say how colours are coded.
        if not (0xE0 < marker <= 0xEF and marker != 0xEE) and marker != 0xFE:
            kept.append(data[start:end])
    if size is None:
        raise ImageError(ImageProblem.CORRUPT, "the JPEG has no frame header")
    height, width, precision = size
    if orientation >= 5:
        height, width = width, height
    check_size(height, width, max_pixels)
    if precision != 8:
        raise ImageError(ImageProblem.UNSUPPORTED, f"the JPEG has {precision} bits per channel; 8 are supported")
    body = kept[-1]
    if _END_OF_IMAGE not in body:
        raise ImageError(ImageProblem.TRUNCATED, "the JPEG ends before its image does")
    # Within pixel data 0xFF is always followed by 0 or a restart marker, so this counts scans alone.
    if body.count(b"\xff\xda") > _MAX_SCANS:
        raise ImageError(ImageProblem.UNSUPPORTED, f"the JPEG has more than {_MAX_SCANS} scans")
    return JpegFile(ImageHeader("jpeg", height, width), orientation, b"".join(kept))


def decode_jpeg(jpeg: JpegFile) -> NDArray[np.float32]:
    """Decode the pixels of a JPEG that has been walked.

    Parameters
    ----------
    jpeg : JpegFile
        What :func:`read_jpeg` returned.

    Returns
    -------
    ndarray of float32, shape [height, width]
        Brightness, 0 to 1, turned as the EXIF orientation says.

    Raises
    ------
    ImageError
        If the pixels are cut off or damaged.
    """
    if is_damaged(jpeg.data):
        raise ImageError(ImageProblem.CORRUPT, "the JPEG's pixels are cut off or damaged")
    try:
        image = JpegImageFile(BytesIO(jpeg.data))
        channels = np.asarray(image.convert("RGB") if image.mode == "CMYK" else image)
    except FAULTS:
        raise ImageError(ImageProblem.CORRUPT, "the JPEG's pixels are cut off or damaged") from None
    plane = luminance(channels, 255)
    if jpeg.orientation >= 5:
        plane = plane.T
    if jpeg.orientation in (2, 3, 6, 7):
        plane = plane[:, ::-1]
    if jpeg.orientation in (3, 4, 7, 8):
        plane = plane[::-1]
    if plane.shape != (jpeg.header.height, jpeg.header.width):
        raise ImageError(ImageProblem.CORRUPT, "the JPEG's pixels are damaged")
    return np.ascontiguousarray(plane)


def frame_size(data: bytes) -> tuple[int, int, int] | None:
    """Find the size and depth that a JPEG or JPEG-LS stream declares, such as one inside a DICOM.

    Parameters
    ----------
    data : bytes
        The stream, from its first byte.

    Returns
    -------
    tuple of int, optional
        Height, width and bits per channel; nothing where the stream has no frame header.

    Raises
    ------
    ImageError
        If the stream is damaged.
    """
    for marker, _, content, end in _segments(data):
        if marker in _START_OF_FRAME:
            return _frame(data[content:end])
    return None


def _segments(data: bytes) -> list[tuple[int, int, int, int]]:
    """Marker, start, start of the content and end of every segment up to and with the first scan's."""
    found: list[tuple[int, int, int, int]] = []
    position = 2
    while True:
        start = position
        while data[position : position + 2] == b"\xff\xff":  # fill bytes
            position += 1
        if position + 4 > len(data):
            raise ImageError(ImageProblem.TRUNCATED, "the JPEG ends before its image does")
        if data[position] != 0xFF or data[position + 1] in (0x00, 0xD8, 0xD9):
            raise ImageError(ImageProblem.CORRUPT, "the JPEG is damaged before its pixels")
        marker = data[position + 1]
        position += 2
        if marker in _WITHOUT_CONTENT:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        end = position + length
        if length < 2:
            raise ImageError(ImageProblem.CORRUPT, "the JPEG is damaged before its pixels")
        if end > len(data):
            raise ImageError(ImageProblem.TRUNCATED, "the JPEG ends before its image does")
        found.append((marker, start, position + 2, end))
        if marker == _START_OF_SCAN:
            return found
        position = end


def _frame(content: bytes) -> tuple[int, int, int]:
    """Height, width and bits per channel of a frame header."""
    if len(content) < 6:
        raise ImageError(ImageProblem.CORRUPT, "the JPEG's frame header is damaged")
    precision, height, width = struct.unpack(">BHH", content[:5])
    return height, width, precision


def _exif_orientation(tiff: bytes) -> int:
    """Orientation of the main image, 1 where the EXIF data are damaged: they are no reason to refuse pixels."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1
    try:
        (offset,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, offset)
        for i in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, offset + 2 + 12 * i)
            if tag == _ORIENTATION:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
