"""Films and maps as small pictures that an HTML page carries inside itself."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....client.rendering import Scale, colours, scale_of
from ....client.results import Sign
from ..pictures import FloatPlane

__all__ = ["LONGEST", "LONGEST_MAP", "film_uri", "overlay_uri", "ramp_uri"]

LONGEST = 256
"""Pixels of the longest side of a film."""

LONGEST_MAP = 160
"""Of the longest side of a map; larger ones are averaged over blocks of pixels."""

_SHADES = 33
"""Of a map; odd, so that zero has a shade of its own. More cannot be told apart and cost bytes."""
_QUALITY = 80
_GREY = 89
"""What a film is on average: the ground of a ramp."""


def film_uri(pixels: FloatPlane) -> str:
    """Return a film, [H, W] in 0 to 1, as a data URI, at most `LONGEST` wide and high."""
    picture = Image.fromarray(np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return _uri(picture, "webp", quality=_QUALITY, method=6)


def overlay_uri(values: FloatPlane, signed: bool) -> str:
    """Return a map, [S, S], as a transparent picture on its own grid.

    Parameters
    ----------
    values : ndarray of float32, shape [S, S]
        Finite. Larger ones than `LONGEST_MAP` are averaged down.
    signed : bool
        Whether negative values speak against the label. The scale is the map's own: colours of two maps cannot be
        compared.
    """
    step = -(-max(values.shape) // LONGEST_MAP)
    if step > 1:
        rows, columns = (side - side % step for side in values.shape)
        blocks = values[:rows, :columns].reshape(rows // step, step, columns // step, step)
        values = blocks.mean(axis=(1, 3), dtype=np.float64).astype(np.float32)
    scale = scale_of(values, Sign.SIGNED if signed else Sign.UNSIGNED)
    low = -scale.limit if scale.signed else 0.0
    share = np.clip((values.astype(np.float64) - low) / (scale.limit - low), 0, 1)
    return _uri(_painted(np.round(share * (_SHADES - 1)).astype(np.uint8), scale), "png", optimize=True)


def ramp_uri(signed: bool) -> str:
    """Return the colours of maps from one end to the other, over the grey of a film."""
    scale = Scale(1.0, signed, clipped=False)
    ramp = _painted(np.arange(_SHADES, dtype=np.uint8)[None, :], scale).convert("RGBA")
    ground = Image.new("RGBA", ramp.size, (_GREY, _GREY, _GREY, 255))
    return _uri(Image.alpha_composite(ground, ramp).convert("RGB"), "png", optimize=True)


def _painted(shades: NDArray[np.uint8], scale: Scale) -> Image.Image:
    table = np.round(colours(scale)(np.linspace(0.0, 1.0, _SHADES)) * 255).astype(np.uint8)
    if scale.signed:
        table[_SHADES // 2, 3] = 0
    picture = Image.fromarray(shades)
    picture.putpalette(table[:, :3].tobytes())
    picture.info["transparency"] = table[:, 3].tobytes()
    return picture


def _uri(picture: Image.Image, kind: str, **options: object) -> str:
    content = BytesIO()
    picture.save(content, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
