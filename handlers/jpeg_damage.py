"""Damage inside the pixels of a JPEG, which decoders that are made for showing pictures paint over with grey.

Pillow drops libjpeg's warnings, so each stream is read once more, at an eighth of its size, by simplejpeg, which
tells them. What this finds: data cut off anywhere within a scan, codes that do not exist, restart markers that are
missing or out of turn, and data left over when all pixels are there, unless it is a few zeros.

What nothing finds, since JPEG has no checksums: changed bytes that happen to be valid codes of the right number of
pixels; a progressive file cut exactly between two scans, which is a whole picture with less detail; damage in a file
whose header is already odd (an unknown JFIF version or Adobe colour code: only the first warning is told); and damage
in colour files of unusual subsampling (other than 4:4:4, 4:2:2, 4:2:0, 4:4:0, 4:1:1, 4:4:1), which simplejpeg does
not read.
"""

from __future__ import annotations

import re

import simplejpeg

from .limits import FAULTS

__all__ = ["is_damaged"]

_DAMAGE = ("Corrupt JPEG data", "Premature end of JPEG file")
"""How libjpeg's warnings of lost pixels begin. Its other warnings and errors are no matter of this module."""
_LEFT_OVER = re.compile(r": (\d{1,2}) extraneous bytes before marker 0xd9")
"""Few enough to be padding; more are pixels that were overwritten."""


def is_damaged(data: bytes) -> bool:
    """Say whether the compressed pixels of a JPEG are cut off or damaged.

    Parameters
    ----------
    data : bytes
        A JPEG of 8 bits per channel, baseline or progressive.

    Returns
    -------
    bool
        Whether pixels are known to be lost; False also where that cannot be told.
    """
    warning = _first_warning(data)
    left_over = _LEFT_OVER.search(warning)
    if left_over and bytes(int(left_over[1])) + b"\xff\xd9" in data:
        return False  # all pixels are there, and then zeros, as some encoders pad
    return warning.startswith(_DAMAGE)


def _first_warning(data: bytes) -> str:
    try:
        colours = "CMYK" if simplejpeg.decode_jpeg_header(data, strict=False)[2] in ("CMYK", "YCCK") else "GRAY"
        simplejpeg.decode_jpeg(data, colours, min_factor=8)
    except FAULTS as error:
        return str(error)
    return ""
