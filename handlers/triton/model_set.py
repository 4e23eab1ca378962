"""Finding the model set that a Python model serves, from what Triton passes to ``initialize``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..guard import Guard
from ..repository.guard_file import load_guard
from ..repository.layout import Repository
from ..repository.model_set import LoadedSet, load_set

__all__ = ["served_guard", "served_set"]


def served_set(args: Mapping[str, str]) -> LoadedSet:
    """Read the model set whose version is the Python model's own.

    Parameters
    ----------
    args : mapping of str to str
        What Triton passes: ``model_repository`` is the model's own folder, ``model_version`` its version.

    Returns
    -------
    LoadedSet
        The set and the cards of its networks. Checksums were compared before the set was loaded.
    """
    return load_set(_repository(args), int(args["model_version"]), check=False)


def served_guard(args: Mapping[str, str], loaded: LoadedSet) -> Guard | None:
    """Read the guard of the model set that `served_set` found; None where it has none."""
    return load_guard(_repository(args), loaded.model_set)


def _repository(args: Mapping[str, str]) -> Repository:
    return Repository(Path(args["model_repository"]).parent)
