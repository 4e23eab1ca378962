"""A version folder appears whole or not at all, also after a power cut.

It is written under ``chest_xray/.staging`` in the repository (the same file system, so that a rename is atomic, and no
folder that Triton takes for a model or a version), flushed to the disk, then renamed to its place.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import RepositoryError
from .layout import Repository

__all__ = ["publish", "stage"]


@contextmanager
def stage(repository: Repository) -> Iterator[Path]:
    """Make a folder to write a version to; gone when the block ends unless published.

    Parameters
    ----------
    repository : Repository
        Where the version will go.

    Yields
    ------
    Path
        An empty folder.
    """
    repository.staging.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=repository.staging))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # somebody else may be staging too, and the ensemble's folder has its configuration
            repository.staging.rmdir()
            repository.staging.parent.rmdir()


def publish(folder: Path, target: Path) -> None:
    """Move a staged folder to its place.

    Parameters
    ----------
    folder : Path
        Staged and complete, not empty.
    target : Path
        The version folder; must not exist.

    Raises
    ------
    RepositoryError
        If the version exists: versions are never overwritten.
    """
    if not any(folder.iterdir()):
        raise RepositoryError(target, "nothing was written")
    folder.chmod(0o755)  # mkdtemp makes it private; Triton may run as another user
    for path in (*folder.rglob("*"), folder):
        _flush(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise RepositoryError(target, "exists already; versions are never overwritten")
    try:
        # Fails on a folder with files in it, so that of two writers who both passed the line above one loses.
        os.rename(folder, target)
    except OSError as error:
        raise RepositoryError(target, f"cannot be published: {error.strerror}") from error
    _flush(target.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
