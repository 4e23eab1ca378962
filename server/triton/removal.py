"""What of the repository was taken away on purpose, and what is only out of sight."""

from __future__ import annotations

import errno

from ...handlers.errors import HandlersError
from ...handlers.repository import LoadedSet, Repository, read_set

__all__ = ["removed", "require_reachable"]


def require_reachable(repository: Repository) -> None:
    """Refuse to look at a repository that seems not to be there.

    A shared folder that is not mounted looks like an empty one. What serves must not end for that.

    Raises
    ------
    OSError
        If the repository cannot be listed, or has nothing in it.
    """
    if next(repository.root.iterdir(), None) is None:
        raise OSError(errno.ENODEV, "is empty; is it mounted?", str(repository.root))


def removed(repository: Repository, loaded: LoadedSet) -> bool:
    """Whether a set was removed: its document is gone, or is that of another set with the same number.

    Damage is no removal: what is loaded is sound and goes on serving.

    Raises
    ------
    OSError
        If the repository cannot be read.
    """
    version = loaded.model_set.version
    try:
        (repository.set_dir(version) / "model_set.json").stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    try:
        return read_set(repository, version) != loaded.model_set
    except HandlersError:
        return False
