"""Checksums of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..errors import RepositoryError

__all__ = ["sha256"]


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, lower-case hexadecimal, reading it in pieces.

    Raises
    ------
    RepositoryError
        If it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise RepositoryError(path, f"cannot be read: {error.strerror}") from error
    return digest.hexdigest()
