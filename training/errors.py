"""Everything that :mod:`radiolucent.training` raises on purpose."""

from __future__ import annotations

__all__ = [
    "Diverged",
    "ExportError",
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


class WeightsError(TrainingError):
    """Initial weights that cannot be loaded into a network."""


class RunError(TrainingError):
    """A run folder that is missing, unfinished or holds another run."""


class Diverged(TrainingError):
    """A network whose answers are no numbers any more."""


class ExportError(TrainingError):
    """A network that could not be written faithfully; nothing was written."""


class ImportNetworkError(TrainingError):
    """A user's network that cannot be brought into the repository."""


class Interrupted(TrainingError):
    """Training was stopped on request after saving a checkpoint."""
