"""Findings as textures: what a network must see, and no thumbnail can.

Every texture has mean zero inside its disc, so a lesion is exactly as bright as the lung around it; smooth discs of
random brightness (the distractors) lie on healthy and ill chests alike. Only local pattern tells.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import expit

from .anatomy import BoolImage, FloatImage, grid


class Finding(enum.Enum):
    """A kind of lesion. The names are borrowed from the field so that the label hierarchy is exercised."""

    COVID = "COVID-19"
    """Rings around a centre, after the reversed halo sign."""
    VIRAL = "Viral Pneumonia"
    """Coarse speckle, after ground-glass opacity."""
    BACTERIAL = "Bacterial Pneumonia"
    """Parallel stripes, after air bronchograms in a consolidation."""

    @property
    def mask_value(self) -> int:
        """Value of this finding in a lesion mask (0 is no lesion)."""
        return _MASK_VALUES[self]

    @property
    def labels(self) -> tuple[str, ...]:
        """The finding's own label and all labels that it implies."""
        chain = [self.value]
        while (parent := PHANTOM_LABELS[chain[-1]]) is not None:
            chain.append(parent)
        return tuple(chain)


PHANTOM_LABELS: dict[str, str | None] = {
    "COVID-19": "Viral Pneumonia",
    "Viral Pneumonia": "Pneumonia",
    "Bacterial Pneumonia": "Pneumonia",
    "Pneumonia": None,
    "No Finding": None,
}
"""Every label of the phantoms and the label that it implies."""

_MASK_VALUES = {Finding.VIRAL: 80, Finding.COVID: 120, Finding.BACTERIAL: 160}

_RADIUS = (22.0, 32.0)  # film units: at 96 pixels a lesion still measures 16 pixels across
_STRIPE_PERIOD = (13.0, 15.0)
_STRIPE_TILT = 0.45  # radians from upright: across the ribs, not along them
_RING_PERIOD = (20.0, 24.0)
_CONTRAST = (0.13, 0.18)


@dataclass(frozen=True)
class Lesion:
    """One lesion.

    Attributes
    ----------
    change
        What it adds to the film's brightness, float32 ``[H, W]``; mean zero over ``mask``.
    mask
        Where it lies, bool ``[H, W]``.
    """

    change: FloatImage
    mask: BoolImage


def draw_lesion(
    rng: np.random.Generator, finding: Finding, centre: tuple[float, float], shape: tuple[int, int]
) -> Lesion:
    """Draw one lesion around ``centre`` (row, column in film units from the middle of the film)."""
    y, x = grid(*shape)
    dy, dx = y - centre[0], x - centre[1]
    distance = np.hypot(dy, dx)
    radius = rng.uniform(*_RADIUS)
    edge = np.asarray(expit((radius - 3 - distance) / 1.2), dtype=np.float32)
    mask: NDArray[np.bool_] = distance <= radius
    pattern = _pattern(rng, finding, dy, dx, distance)
    pattern = pattern - np.average(pattern, weights=edge)
    pattern /= np.sqrt(np.average(pattern**2, weights=edge)) + 1e-6
    return Lesion(change=np.asarray(rng.uniform(*_CONTRAST) * pattern * edge * mask, dtype=np.float32), mask=mask)


def draw_distractor(rng: np.random.Generator, centre: tuple[float, float], shape: tuple[int, int]) -> FloatImage:
    """Draw a smooth disc, brighter or darker than the lung, with the outline of a lesion and no texture."""
    y, x = grid(*shape)
    distance = np.hypot(y - centre[0], x - centre[1])
    disc = expit((rng.uniform(*_RADIUS) - 3 - distance) / rng.uniform(1.2, 5))
    return np.asarray(rng.choice((-1, 1)) * rng.uniform(0.05, 0.15) * disc, dtype=np.float32)


def _pattern(
    rng: np.random.Generator, finding: Finding, dy: FloatImage, dx: FloatImage, distance: FloatImage
) -> NDArray[np.float32]:
    if finding is Finding.COVID:
        return np.asarray(-np.cos(2 * np.pi * distance / rng.uniform(*_RING_PERIOD)), dtype=np.float32)
    if finding is Finding.BACTERIAL:
        angle = rng.uniform(-_STRIPE_TILT, _STRIPE_TILT)
        across = dx * np.cos(angle) + dy * np.sin(angle)
        return np.asarray(
            np.cos(2 * np.pi * across / rng.uniform(*_STRIPE_PERIOD) + rng.uniform(0, 2 * np.pi)), dtype=np.float32
        )
    scale = max(dy.shape) / 256
    noise = rng.standard_normal(dy.shape)
    speckle = gaussian_filter(noise, 2.2 * scale) - gaussian_filter(noise, 5.5 * scale)
    return np.asarray(np.maximum(speckle / speckle.std(), 0.3), dtype=np.float32)
