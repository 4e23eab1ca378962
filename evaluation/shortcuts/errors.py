"""What can go wrong while looking for shortcuts."""

from __future__ import annotations

from ..errors import EvaluationError

__all__ = ["NotApplicable"]


class NotApplicable(EvaluationError):
    """A predictor that cannot be had for these films; the text says why."""
