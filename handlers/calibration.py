"""Calibration: what turns a network's logits into probabilities that mean what they say."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

__all__ = ["Calibration"]


class Calibration(BaseModel):
    """``sigmoid(scale * logit + offset)``, label by label, fitted on the validation split. Hashable.

    Temperature scaling (Guo et al. 2017, arXiv:1706.04599) has one scale for all labels and no offset; Platt scaling
    (Platt 1999) one scale and one offset per label. Explanations are of the logits and do not depend on it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Literal["temperature", "platt"]
    """How it was fitted."""
    scale: tuple[float, ...] = Field(min_length=1)
    """Per label, above 0, so that no ranking changes."""
    offset: tuple[float, ...] = Field(min_length=1)
    """Per label, in logits."""

    @model_validator(mode="after")
    def _is_increasing(self) -> Self:
        if len(self.scale) != len(self.offset):
            raise ValueError("scale and offset are of different labels")
        if min(self.scale) <= 0:
            raise ValueError("scale must be above 0")
        return self

    def apply(self, logits: ArrayLike) -> NDArray[np.float32]:
        """Return calibrated logits, float32 of the shape ``[..., labels]``; their sigmoid is the probability."""
        scale, offset = (np.asarray(part, dtype=np.float32) for part in (self.scale, self.offset))
        calibrated: NDArray[np.float32] = np.asarray(logits, dtype=np.float32) * scale + offset
        return calibrated
