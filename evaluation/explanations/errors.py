"""What can go wrong in an audit as a whole, and what with one film: that is a row of its tables."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import SHOWN, EvaluationError

__all__ = ["AuditRefused", "ServerLost", "TruthError"]


class AuditRefused(EvaluationError):
    """An audit that cannot be made as it was asked for.

    Parameters
    ----------
    problems
        All of them, a sentence each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        shown = list(problems[:SHOWN]) + ([f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else [])
        super().__init__("\n  ".join(("the audit cannot be made:", *shown)) if len(shown) > 1 else "".join(shown))
        self.problems = tuple(problems)


class ServerLost(EvaluationError):
    """The server was waited for and did not come back; what is finished is kept."""


class TruthError(EvaluationError):
    """A box, a mask or a film that cannot be used; its text says why, for a row of ``failures.csv``."""
