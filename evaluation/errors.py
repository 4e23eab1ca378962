"""What can go wrong while evaluating."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SHOWN = 20
"""Problems that one text names."""


class EvaluationError(Exception):
    """Base of the errors of this package; its text is for the user."""


class StepFailed(EvaluationError):
    """A program that the evaluation runs ended with an error.

    Parameters
    ----------
    command
        The program's arguments.
    code
        Its exit code.
    """

    def __init__(self, command: str, code: int) -> None:
        super().__init__(f"`radiolucent {command}` ended with exit code {code}; what it said is above")
        self.code = code


class FilmsUnreadable(EvaluationError):
    """Films that cannot be read.

    Parameters
    ----------
    problems
        One sentence for each, with the name of its file.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        shown = list(problems[:SHOWN]) + ([f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else [])
        super().__init__("\n  ".join((f"{len(problems)} X-rays cannot be read:", *shown)))
        self.problems = tuple(problems)


class RunUnreadable(EvaluationError):
    """A run of the training that cannot be evaluated.

    Parameters
    ----------
    path
        What is wrong.
    reason
        Why.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class TableError(EvaluationError):
    """A stored table is not what it should be.

    Parameters
    ----------
    path
        The file or folder.
    problems
        All of them.
    """

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        shown = "; ".join(problems[:SHOWN]) + (f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else "")
        super().__init__(f"{path}: {shown}")
        self.problems = tuple(problems)
