"""What can go wrong while profiling."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import SHOWN, EvaluationError

__all__ = ["LayersUnknown", "ProfileRefused"]


class ProfileRefused(EvaluationError):
    """A profile that cannot be made of what was asked.

    Parameters
    ----------
    problems
        All of them, one sentence each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        shown = list(problems[:SHOWN]) + ([f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else [])
        super().__init__("\n  ".join(shown) if len(shown) == 1 else "\n  ".join(("cannot be profiled:", *shown)))
        self.problems = tuple(problems)


class LayersUnknown(EvaluationError):
    """A network has none of the layers that were named, or nothing that can be profiled."""
