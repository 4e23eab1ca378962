"""Everything that :mod:`radiolucent.handlers` raises on purpose.

No message here may hold a value that was read from an image file: such a message ends in logs and in answers
to the network, and a DICOM header is patient data.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path

__all__ = ["CardError", "HandlersError", "ImageError", "ImageProblem", "RepositoryError"]


class HandlersError(Exception):
    """Base of all errors of this package."""


class ImageProblem(str, Enum):
    """Why an encoded image was refused."""

    EMPTY = "empty"
    """No bytes, or an image without a row or a column."""
    UNKNOWN_FORMAT = "unknown_format"
    """Neither PNG, JPEG nor DICOM, whatever its name says."""
    TRUNCATED = "truncated"
    """The file ends before its image does."""
    CORRUPT = "corrupt"
    """The bytes contradict the format they claim to be."""
    NO_PIXELS = "no_pixels"
    """A DICOM object that is not an image, or whose pixels were left out."""
    MULTI_FRAME = "multi_frame"
    """More than one frame; a request is one frontal image."""
    TOO_LARGE = "too_large"
    """More pixels, or more bytes once unpacked, than the limit."""
    NOT_FINITE = "not_finite"
    """NaN or infinite pixel values."""
    UNSUPPORTED = "unsupported"
    """Valid, but of a kind that cannot be decoded here."""


class ImageError(HandlersError):
    """An encoded image that cannot be used.

    Parameters
    ----------
    reason : ImageProblem
        What is wrong, for programs.
    message : str
        What is wrong, for people. Safe to show and to log: never quotes the file.
    """

    reason: ImageProblem
    message: str

    def __init__(self, reason: ImageProblem, message: str) -> None:
        # Both go into `args`, so that the error survives pickling between processes.
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message


class _LocatedError(HandlersError):
    """An error about a file or folder.

    Parameters
    ----------
    path : Path
        Where.
    problem : str
        What is wrong there.
    """

    path: Path
    problem: str

    def __init__(self, path: Path, problem: str) -> None:
        # Both go into `args`, so that the error survives pickling between processes.
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class CardError(_LocatedError):
    """A model card that is missing or does not say what a card must say."""


class RepositoryError(_LocatedError):
    """Something in the model repository that is missing, altered or in the way."""
