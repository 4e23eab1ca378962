"""The other end of :mod:`radiolucent.handlers.gdcm_process`: decodes what comes in until there is no more."""

from __future__ import annotations

import json
import struct
import sys
import warnings
from typing import BinaryIO

from pydicom.pixels import get_decoder

from .limits import FAULTS

__all__ = ["serve"]


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until the source ends.

    Parameters
    ----------
    source, sink : binary file
        Each message is a description in JSON and bytes, both preceded by their length.
    """
    while (description := _receive(source)) and (pixels := _receive(source)):
        try:
            answer = _decode(json.loads(description), pixels)
        except FAULTS:
            answer = b"null", b""
        for part in answer:
            sink.write(struct.pack("<Q", len(part)) + part)
        sink.flush()


def _receive(source: BinaryIO) -> bytes:
    size = source.read(8)
    return source.read(struct.unpack("<Q", size)[0]) if len(size) == 8 else b""


def _decode(options: dict[str, int | str], pixels: bytes) -> tuple[bytes, bytes]:
    decoder = get_decoder(str(options.pop("syntax")))
    array, properties = decoder.as_array(
        pixels, index=0, raw=False, number_of_frames=1, pixel_keyword="PixelData", decoding_plugin="gdcm", **options
    )
    result = {
        "type": array.dtype.str,
        "shape": array.shape,
        "photometric_interpretation": str(properties["photometric_interpretation"]),
    }
    return json.dumps(result).encode(), array.tobytes()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve(sys.stdin.buffer, sys.stdout.buffer)
