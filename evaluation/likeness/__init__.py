"""How well the guard of a model set tells X-rays that are unlike its training data."""

from .markdown import guard_markdown
from .measuring import measure_guard
from .result import FalseAlarms, GuardResult, StrangerKind
from .scores import FILM, GuardScores, read_scores, write_scores
from .scoring import score_guard

__all__ = [
    "FILM",
    "FalseAlarms",
    "GuardResult",
    "GuardScores",
    "StrangerKind",
    "guard_markdown",
    "measure_guard",
    "read_scores",
    "score_guard",
    "write_scores",
]
