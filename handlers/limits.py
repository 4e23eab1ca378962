"""Limits that hold for every format, checked on what a header says before any pixel is decoded."""

from __future__ import annotations

import struct
import zlib

from .errors import ImageError, ImageProblem

__all__ = ["FAULTS", "MAX_PIXELS", "check_size"]

MAX_PIXELS = 64_000_000
"""Default limit of height x width. The largest radiography detectors have about 20 million pixels."""

FAULTS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,  # includes NotImplementedError and RecursionError
    SyntaxError,  # Pillow's word for a broken file
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What decoders are known to raise on damaged files. Their messages may quote the file, so none is passed on."""


def check_size(height: int, width: int, max_pixels: int) -> None:
    """Refuse images without pixels and images of too many.

    Parameters
    ----------
    height, width : int
        As the header says.
    max_pixels : int
        Limit of their product.

    Raises
    ------
    ImageError
        With the problem EMPTY or TOO_LARGE.
    """
    if height < 1 or width < 1:
        raise ImageError(ImageProblem.EMPTY, "the image has no rows or no columns")
    if height * width > max_pixels:
        raise ImageError(
            ImageProblem.TOO_LARGE, f"the image has {width} x {height} pixels; the limit is {max_pixels} in total"
        )
