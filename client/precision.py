"""The floating-point type in which the server's networks compute."""

from __future__ import annotations

from enum import Enum

__all__ = ["Precision"]


class Precision(str, Enum):
    """In which networks compute what explains and measures. They classify as they are served, whatever this is."""

    UNSPECIFIED = "unspecified"
    """The server does not tell: it knows float32 alone."""
    FLOAT32 = "float32"
    """24 significant bits."""
    BFLOAT16 = "bfloat16"
    """8 significant bits: faster on processors with units for it, and approximate. Each map says what it did to the
    explained output (``facts["bfloat16_error"]``)."""
