"""Compose one phantom: a chest, distractors, lesions, exposure and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter

from .anatomy import BoolImage, draw_chest
from .lesions import PHANTOM_LABELS, Finding, draw_distractor, draw_lesion

_SIZES = ((256, 256), (256, 256), (256, 224), (224, 256), (256, 240))
_HEALTHY = 0.5
_SECOND_FINDING = 0.1
_WEIGHTS = {Finding.COVID: 0.38, Finding.VIRAL: 0.2, Finding.BACTERIAL: 0.42}
"""Shares chosen so that the best constant answer has micro-F1 .55; any score above it is earned."""


@dataclass(frozen=True)
class Phantom:
    """One film and everything known about it.

    Attributes
    ----------
    pixels
        The film, uint8 ``[H, W]``.
    labels
        The true labels, implied ones included, in the order of `PHANTOM_LABELS`.
    lesions
        uint8 ``[H, W]``: 0, or `Finding.mask_value` where a lesion lies.
    lungs
        Where lung is seen, bool ``[H, W]``.
    """

    pixels: NDArray[np.uint8]
    labels: tuple[str, ...]
    lesions: NDArray[np.uint8]
    lungs: BoolImage


def draw_phantom(seed: int, index: int) -> Phantom:
    """Draw phantom ``index`` of the series ``seed``; the same two numbers always give the same film."""
    rng = np.random.default_rng((seed, index))
    shape = _SIZES[rng.integers(len(_SIZES))]
    chest = draw_chest(rng, *shape)
    pixels = chest.pixels.copy()
    free = binary_erosion(chest.lungs, iterations=10)
    for _ in range(rng.integers(1, 4)):
        pixels += draw_distractor(rng, _place(rng, chest.lungs), shape)
    lesions = np.zeros(shape, dtype=np.uint8)
    findings = _findings(rng)
    for finding in findings:
        for _ in range(rng.integers(1, 4)):
            lesion = draw_lesion(rng, finding, _place(rng, free), shape)
            lesion_mask = lesion.mask & (lesions == 0)
            pixels += lesion.change * lesion_mask
            lesions[lesion_mask] = finding.mask_value
            free = free & ~lesion.mask
    names = {name for finding in findings for name in finding.labels} or {"No Finding"}
    return Phantom(
        pixels=_expose(rng, pixels),
        labels=tuple(name for name in PHANTOM_LABELS if name in names),
        lesions=lesions,
        lungs=chest.lungs,
    )


def _findings(rng: np.random.Generator) -> tuple[Finding, ...]:
    if rng.random() < _HEALTHY:
        return ()
    count = 2 if rng.random() < _SECOND_FINDING else 1
    kinds = list(_WEIGHTS)
    chosen = rng.choice(len(kinds), size=count, replace=False, p=list(_WEIGHTS.values()))
    return tuple(kinds[i] for i in chosen)


def _place(rng: np.random.Generator, allowed: BoolImage) -> tuple[float, float]:
    """Choose a point of ``allowed`` in film units; the film's centre if nothing is left."""
    height, width = allowed.shape
    rows, columns = np.nonzero(allowed)
    if rows.size == 0:
        return 0.0, 0.0
    pick = rng.integers(rows.size)
    step = 256 / max(height, width)
    return (rows[pick] + 0.5 - height / 2) * step, (columns[pick] + 0.5 - width / 2) * step


def _expose(rng: np.random.Generator, pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    film = np.clip(pixels, 0, 1) ** rng.uniform(0.8, 1.25)
    film = rng.uniform(0.8, 1.05) * film + rng.uniform(0.0, 0.08)
    film = gaussian_filter(film, rng.uniform(0.3, 0.8)) + rng.normal(0, rng.uniform(0.008, 0.02), film.shape)
    return np.asarray(np.clip(np.round(film * 255), 0, 255), dtype=np.uint8)
