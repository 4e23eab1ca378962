"""What can be wrong with what is known of a film."""

from __future__ import annotations

from ..errors import EvaluationError

__all__ = ["TruthError"]


class TruthError(EvaluationError):
    """A box, a mask or a film that cannot be used; its text says why, for a row of ``failures.csv``."""
