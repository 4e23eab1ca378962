"""Everything that :mod:`radiolucent.training` raises on purpose."""

from __future__ import annotations

__all__ = [
    "ExportError",
    "FilmsError",
    "ImportNetworkError",
    "Interrupted",
    "RunError",
    "TrainingError",
    "WeightsError",
    "WrongArgument",
]


class TrainingError(Exception):
    """Base of all errors of this package."""


class WrongArgument(TrainingError):
    """An argument that is seen to be wrong before any work; the text names it."""


class ManifestError(TrainingError):
    """A manifest that cannot be trained on.

    Parameters
    ----------
    path : Path
        The manifest.
    problems : sequence of str
        Everything that is wrong with it, each with its line.
    """

    path: Path
    problems: tuple[str, ...]

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        super().__init__(path, problems)
        self.path = path
        self.problems = tuple(problems)

    def __str__(self) -> str:
        shown = list(self.problems[:_SHOWN])
        if len(self.problems) > _SHOWN:
            shown.append(f"and {len(self.problems) - _SHOWN} more")
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        return "\n  ".join([f"{self.path}: {count}", *shown])


class FilmsError(TrainingError):
    """Films that cannot be decoded.

    Parameters
    ----------
    problems : sequence of str
        One for each film, with its line.
    """

    problems: tuple[str, ...]

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        shown = list(self.problems[:_SHOWN])
        if len(self.problems) > _SHOWN:
            shown.append(f"and {len(self.problems) - _SHOWN} more")
        count = "1 film" if len(self.problems) == 1 else f"{len(self.problems)} films"
        return "\n  ".join([f"{count} cannot be used", *shown])


class WeightsError(TrainingError):
    """Initial weights that cannot be loaded into a network."""


class RunError(TrainingError):
    """A run folder that is missing, unfinished or holds another run."""


class ExportError(TrainingError):
    """A network that could not be written faithfully; nothing was written."""


class ImportNetworkError(TrainingError):
    """A user's network that cannot be brought into the repository."""


class Interrupted(TrainingError):
    """Training was stopped on request after saving a checkpoint."""
