"""Removal by showing a baseline instead; what deletion and insertion share."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

import torch
from pydantic import Field, field_validator

from ..methods.baselines import BASELINES, Baseline
from ..observed import ObservedModel
from .removal import Removal, RemovalMeasure, RemovalParameters

__all__ = ["ReplacementMeasure", "ReplacementParameters"]


class ReplacementParameters(RemovalParameters):
    """What is removed as one, and what is shown instead."""

    region: float = Field(
        default=0.04,
        gt=0,
        description="Side of the squares that are removed or shown as one: below 1 a fraction of the shorter side of "
        "the network's input, else whole pixels of it.",
    )
    baseline: Baseline = Field(default=Baseline.BLURRED, description=f"What a removed place shows: {BASELINES}.")

    @field_validator("region")
    @classmethod
    def _pixels_are_whole(cls, length: float) -> float:
        if length >= 1 and length != int(length):
            raise ValueError("must be below 1 (a fraction of the side) or a whole number (pixels)")
        return length

    def side(self, shape: Sequence[int]) -> int:
        """Return the side of the squares, at least a pixel and at most half of the image."""
        shorter = min(int(shape[-2]), int(shape[-1]))
        side = int(self.region) if self.region >= 1 else round(self.region * shorter)
        return max(1, min(side, shorter // 2))


class ReplacementMeasure(RemovalMeasure[ReplacementParameters]):
    """Base of deletion and insertion."""

    parameters: ClassVar[type[ReplacementParameters]] = ReplacementParameters

    def removal(self, model: ObservedModel, image: torch.Tensor, params: ReplacementParameters) -> Removal:
        """Replace what is gone by the baseline."""
        baseline = params.baseline.like(image, model.spec, statistics=model.statistics, seed=params.seed)

        def remove(hidden: torch.Tensor) -> torch.Tensor:
            return torch.where(hidden[:, None], baseline, image)

        return Removal(remove, baseline)

    def kind(self, params: ReplacementParameters) -> tuple[Hashable, ...]:
        """Name the baseline."""
        return "replacement", params.baseline
