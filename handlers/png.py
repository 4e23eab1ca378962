"""PNG, all colour types, 1 to 16 bits.

The file is walked chunk by chunk, and only what pixels need is handed to Pillow: text, colour profiles and
other ancillary chunks hold identifiers and compressed bombs, but no brightness.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from .errors import ImageError, ImageProblem
from .image import ImageHeader
from .limits import FAULTS, check_size
from .luminance import luminance

__all__ = ["SIGNATURE", "PngFile", "decode_png", "read_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_MAX_CHUNKS = 100_000
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row, and steps, of the seven passes of an interlaced file."""
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bit depths by colour type: grey, RGB, palette, grey + alpha, RGBA."""


@dataclass(frozen=True)
class PngFile:
    """A PNG that has been walked, not decoded.

    Parameters
    ----------
    header : ImageHeader
        Format and size.
    depth : int
        Bits per channel.
    colour : int
        Colour type: 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA.
    interlace : int
        0 or 1.
    palette, transparency : bytes
        Contents of PLTE and tRNS, empty where there is none.
    data : bytes
        The compressed pixels.
    """

    header: ImageHeader
    depth: int
    colour: int
    interlace: int
    palette: bytes
    transparency: bytes
    data: bytes


def read_png(data: bytes, max_pixels: int) -> PngFile:
    """Walk the chunks of a PNG.

    Parameters
    ----------
    data : bytes
        The file.
    max_pixels : int
        Limit of height x width.

    Returns
    -------
    PngFile
        What decoding needs.

    Raises
    ------
    ImageError
        If the file is cut off, damaged, too large or animated.
    """
    if len(data) < 33:
        raise ImageError(ImageProblem.TRUNCATED, "the PNG ends within its header")
    if data[8:16] != b"\x00\x00\x00\rIHDR":
        raise ImageError(ImageProblem.CORRUPT, "the PNG does not start with its header")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", data[16:29])
    check_size(height, width, max_pixels)
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise ImageError(ImageProblem.CORRUPT, "the PNG's header makes no sense")
    parts: dict[bytes, list[memoryview]] = {b"PLTE": [], b"tRNS": [], b"IDAT": []}
    view = memoryview(data)
    position = 8
    for _ in range(_MAX_CHUNKS):
        if position + 12 > len(data):
            raise ImageError(ImageProblem.TRUNCATED, "the PNG ends before its image does")
        length, kind = struct.unpack_from(">I4s", data, position)
        content = position + 8
        position = content + length + 4
        if kind == b"IEND":
            break
        if position > len(data):
            raise ImageError(ImageProblem.TRUNCATED, "the PNG ends before its image does")
        if kind == b"acTL":
            raise ImageError(ImageProblem.MULTI_FRAME, "the PNG is animated; a request is one image")
        if kind in parts:
            if zlib.crc32(view[content - 4 : content + length]).to_bytes(4, "big") != view[position - 4 : position]:
                raise ImageError(ImageProblem.CORRUPT, "the PNG is damaged (checksum)")
            parts[kind].append(view[content : content + length])
    else:
        raise ImageError(ImageProblem.CORRUPT, "the PNG is cut into too many pieces")
    if not parts[b"IDAT"]:
        raise ImageError(ImageProblem.NO_PIXELS, "the PNG has no pixels")
    palette, transparency, pixels = (b"".join(parts[kind]) for kind in (b"PLTE", b"tRNS", b"IDAT"))
    if colour == 3 and not palette:
        raise ImageError(ImageProblem.CORRUPT, "the PNG lacks its palette")
    return PngFile(ImageHeader("png", height, width), depth, colour, interlace, palette, transparency, pixels)


def decode_png(png: PngFile) -> NDArray[np.float32]:
    """Decode the pixels of a PNG that has been walked.

    Parameters
    ----------
    png : PngFile
        What :func:`read_png` returned.

    Returns
    -------
    ndarray of float32, shape [height, width]
        Brightness, 0 to 1, at the file's full bit depth.

    Raises
    ------
    ImageError
        If the pixels are damaged.
    """
    if png.colour == 3:
        indices = _read(png, png.depth, 3)
        brightness: NDArray[np.float32] = _palette_brightness(png)[indices]
        return brightness
    channels = _channels(png)
    white = 65535 if png.depth == 16 else 255
    plane = luminance(channels, white)
    if png.transparency and png.colour in (0, 2):
        plane[_transparent(png, channels)] = 0
    return plane


def _channels(png: PngFile) -> NDArray[Any]:
    if png.depth < 16:
        channels = _read(png, png.depth, png.colour)
        return channels.astype(np.uint8) * np.uint8(255) if png.colour == 0 and png.depth == 1 else channels
    if png.colour == 0:
        return _read(png, 16, 0)
    if png.colour == 4:
        # Pillow keeps 8 of these 16 bits. Filters work on bytes, so the same bytes are an 8-bit RGBA image.
        pairs: NDArray[np.uint16] = _read(png, 8, 6).view(">u2")
        return pairs
    # Pillow keeps 8 bits here too, and its two unpackers give either byte of a channel.
    name = "RGB" if png.colour == 2 else "RGBA"
    high = _read(png, 16, png.colour, f"{name};16B")
    low = _read(png, 16, png.colour, f"{name};16L")
    both: NDArray[np.uint16] = (high.astype(np.uint16) << 8) | low
    return both


def _read(png: PngFile, depth: int, colour: int, rawmode: str | None = None) -> NDArray[Any]:
    header = struct.pack(">IIBBBBB", png.header.width, png.header.height, depth, colour, 0, 0, png.interlace)
    chunks = [(b"IHDR", header), (b"IDAT", png.data), (b"IEND", b"")]
    if colour == 3:
        chunks.insert(1, (b"PLTE", png.palette))
    file = BytesIO()
    file.write(SIGNATURE)
    for kind, content in chunks:
        file.write(struct.pack(">I", len(content)) + kind)
        file.write(content)
        file.write(zlib.crc32(content, zlib.crc32(kind)).to_bytes(4, "big"))
    file.seek(0)
    try:
        # Not Image.open: that would try other formats, and warn of sizes which our own limit allows.
        image = PngImageFile(file)
        if rawmode is not None:
            image.tile = [tile._replace(args=rawmode) for tile in image.tile]
        array = np.asarray(image)
    except FAULTS:
        # A cut file was found by the walk, so missing pixels here mean damage.
        raise ImageError(ImageProblem.CORRUPT, "the PNG's pixels are damaged") from None
    if array.shape[:2] != (png.header.height, png.header.width):
        raise ImageError(ImageProblem.CORRUPT, "the PNG's pixels are damaged")
    # Pillow fills missing rows with zeros and says nothing.
    if not array[-1].any() and not _is_complete(png):
        raise ImageError(ImageProblem.CORRUPT, "the PNG has fewer pixels than it says")
    return array


def _is_complete(png: PngFile) -> bool:
    """Whether the compressed data hold as many bytes as the header says, found without keeping them."""
    bits = png.depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[png.colour]
    expected = 0
    for x, y, step_x, step_y in _ADAM7 if png.interlace else ((0, 0, 1, 1),):
        columns = -(-(png.header.width - x) // step_x)
        rows = -(-(png.header.height - y) // step_y)
        if columns > 0 and rows > 0:
            expected += rows * (1 + -(-columns * bits // 8))
    unpacker = zlib.decompressobj()
    rest = png.data
    while expected > 0 and rest and not unpacker.eof:
        try:
            expected -= len(unpacker.decompress(rest, 1 << 20))
        except zlib.error:
            return False
        rest = unpacker.unconsumed_tail
    return expected <= 0


def _palette_brightness(png: PngFile) -> NDArray[np.float32]:
    """Brightness of each of 256 palette entries; entries that do not exist are black."""
    count = min(len(png.palette) // 3, 256)
    entries = np.zeros((1, 256, 4), dtype=np.uint8)
    entries[0, :count, :3] = np.frombuffer(png.palette, np.uint8, count * 3).reshape(count, 3)
    entries[0, :count, 3] = 255
    opacity = np.frombuffer(png.transparency, np.uint8)[:count]
    entries[0, : len(opacity), 3] = opacity
    table: NDArray[np.float32] = luminance(entries, 255)[0]
    return table


def _transparent(png: PngFile, channels: NDArray[Any]) -> NDArray[np.bool_]:
    """Find the pixels of the one value that tRNS declares transparent."""
    wanted = 1 if png.colour == 0 else 3
    if len(png.transparency) < 2 * wanted:
        return np.zeros(channels.shape[:2], dtype=np.bool_)
    key = np.array(struct.unpack(f">{wanted}H", png.transparency[: 2 * wanted]), dtype=np.int64)
    if png.depth < 8:
        key = key * 255 // (2**png.depth - 1)
    same: NDArray[np.bool_] = np.all(np.atleast_3d(channels) == key, axis=2)
    return same
