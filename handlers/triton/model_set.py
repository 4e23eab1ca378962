"""Finding the model set that a Python model serves, from what Triton passes to ``initialize``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..repository.layout import Repository
from ..repository.model_set import LoadedSet, load_set

__all__ = ["served_set"]


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
    folder = Path(args["model_repository"])
    return load_set(Repository(folder.parent), int(args["model_version"]), check=False)
