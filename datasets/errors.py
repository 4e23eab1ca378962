"""Everything that :mod:`radiolucent.datasets` raises on purpose.

No message holds a patient's name or what a DICOM header says of a patient; files, lines and groups are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["DataSetsError", "LabelsError", "ManifestError", "PlanError"]

_SHOWN = 30


class DataSetsError(Exception):
    """Base of all errors of this package."""


class LabelsError(DataSetsError):
    """Labels or a hierarchy that cannot be; the text names them."""


class PlanError(DataSetsError):
    """A plan of folds that is not known, or that a data set is too small for."""


class ManifestError(DataSetsError):
    """A data set that cannot be used.

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
