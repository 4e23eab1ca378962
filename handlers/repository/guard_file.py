"""The guard of a model set, in a file of its own in the set's folder."""

from __future__ import annotations

from pydantic import ValidationError

from ..errors import RepositoryError
from ..guard import Guard
from .layout import GUARD_FILE, Repository
from .model_set import ModelSet

__all__ = ["load_guard"]


def load_guard(repository: Repository, model_set: ModelSet) -> Guard | None:
    """Read the guard of a model set; None where the set was published without one.

    Raises
    ------
    RepositoryError
        If it cannot be read or is not a valid guard. Its checksum is compared with the other files of the set.
    """
    path = repository.set_dir(model_set.version) / GUARD_FILE
    if path.relative_to(repository.root).as_posix() not in model_set.files:
        return None
    try:
        return Guard.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RepositoryError(path, f"cannot read the guard: {error.strerror}") from error
    except ValidationError as error:
        raise RepositoryError(path, "is not a valid guard") from error
