"""Draw a healthy chest: body, lungs, heart, spine, ribs and vessels, all with random shapes.

Distances are in units of a 256-pixel film, so that a film of another size shows the same chest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import expit

FloatImage = NDArray[np.float32]
BoolImage = NDArray[np.bool_]

_UNIT = 256.0
_SOFT_TISSUE = 0.62


@dataclass(frozen=True)
class Chest:
    """A healthy chest before exposure and noise.

    Attributes
    ----------
    pixels
        Brightness, float32 ``[H, W]``, about 0 (air) to 1 (bone).
    lungs
        Where lung is seen, bool ``[H, W]``; the part behind heart and spine is left out.
    """

    pixels: FloatImage
    lungs: BoolImage


def grid(height: int, width: int) -> tuple[FloatImage, FloatImage]:
    """Return y and x of every pixel centre in film units, origin at the centre of the film."""
    step = _UNIT / max(height, width)
    y = (np.arange(height, dtype=np.float32) + 0.5 - height / 2) * step
    x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) * step
    return np.broadcast_to(y[:, None], (height, width)), np.broadcast_to(x[None, :], (height, width))


def draw_chest(rng: np.random.Generator, height: int, width: int) -> Chest:
    """Draw one healthy chest with random anatomy.

    Parameters
    ----------
    rng
        Source of the random anatomy.
    height, width
        Film size in pixels.
    """
    y, x = grid(height, width)
    x = x - rng.uniform(-6, 6)
    y = y - rng.uniform(-6, 6)
    body_width = rng.uniform(100, 112)
    body = _soft(1 - (np.abs(x) / body_width) ** 4 - (np.abs(y + 10) / 160) ** 6, 0.05)
    pixels = np.asarray(_SOFT_TISSUE * body, dtype=np.float32)

    lungs = np.maximum(_lung(rng, y, x, side=-1), _lung(rng, y, x, side=1))
    heart = _ellipse(y, x, rng.uniform(22, 34), rng.uniform(14, 24), rng.uniform(36, 46), rng.uniform(28, 40), 0.35)
    spine = _soft(1 - (x / rng.uniform(11, 15)) ** 2, 0.3)
    pixels -= 0.42 * lungs * body
    pixels += 0.30 * heart * lungs
    pixels += 0.12 * spine * body + 0.02 * spine * np.cos(2 * np.pi * y / rng.uniform(17, 22))
    pixels += _ribs(rng, y, x) * body
    pixels += _vessels(rng, y, x) * lungs
    tissue = gaussian_filter(rng.standard_normal((height, width)), 14 * max(height, width) / _UNIT)
    pixels += 0.03 * body * (tissue / tissue.std()).astype(np.float32)
    seen = (lungs > 0.6) & (heart < 0.4) & (spine < 0.5)
    return Chest(pixels=pixels.astype(np.float32), lungs=seen)


def _soft(level: FloatImage, softness: float) -> FloatImage:
    """Turn a level set (positive inside) into a smooth 0-1 shape."""
    return np.asarray(expit(level / softness), dtype=np.float32)


def _ellipse(
    y: FloatImage, x: FloatImage, centre_y: float, centre_x: float, radius_y: float, radius_x: float, softness: float
) -> FloatImage:
    return _soft(1 - ((y - centre_y) / radius_y) ** 2 - ((x - centre_x) / radius_x) ** 2, softness)


def _lung(rng: np.random.Generator, y: FloatImage, x: FloatImage, side: int) -> FloatImage:
    tilt = side * rng.uniform(0.05, 0.16)
    across = (x - side * rng.uniform(48, 54) - tilt * (y + 10)) / rng.uniform(34, 40)
    along = (y + rng.uniform(4, 14)) / rng.uniform(80, 92)
    apex = _soft(1 - np.abs(across) ** 2.4 - np.abs(along) ** 2.8, 0.12)
    dome = rng.uniform(50, 66) + 0.006 * (x - side * 48) ** 2  # the diaphragm bulges upwards
    return apex * _soft((dome - y) / 10, 0.3)


def _ribs(rng: np.random.Generator, y: FloatImage, x: FloatImage) -> FloatImage:
    spacing = rng.uniform(21, 26)
    droop = rng.uniform(0.003, 0.0055)
    phase = rng.uniform(0, spacing)
    shift = y - droop * x**2 + phase
    ribs = np.exp(-0.5 * (((shift + spacing / 2) % spacing - spacing / 2) / rng.uniform(3.2, 4.4)) ** 2)
    inside = _soft(1 - (x / 96) ** 4 - ((y + 8) / 98) ** 6, 0.1)
    clavicle = np.exp(-0.5 * ((y + rng.uniform(76, 86) + 0.2 * np.abs(x)) / 4) ** 2) * (np.abs(x) < 80)
    return np.asarray(rng.uniform(0.05, 0.10) * ribs * inside + 0.08 * clavicle, dtype=np.float32)


def _vessels(rng: np.random.Generator, y: FloatImage, x: FloatImage) -> FloatImage:
    """Draw smooth branches from the hila into the lungs."""
    out = np.zeros(y.shape, dtype=np.float32)
    for side in (-1, 1):
        for angle in rng.uniform(-1.1, 1.1, size=rng.integers(3, 6)):
            dx, dy = side * np.cos(angle), np.sin(angle)
            across = (x - side * 22) * -dy + y * dx
            along = (x - side * 22) * dx + y * dy
            fade = np.exp(-np.clip(along, 0, None) / 30) * (along > 0)
            out += (rng.uniform(0.04, 0.09) * fade * np.exp(-0.5 * (across / 2.6) ** 2)).astype(np.float32)
    return out
