"""Names of models, labels and methods as parts of paths."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["PathParts", "path_part"]


def path_part(name: str) -> str:
    """Return a model's, label's or method's name as one part of a path: spaces and what paths give a meaning are ``_``.

    Parameters
    ----------
    name : str
        As the server says it.

    Returns
    -------
    str
        Never empty, never hidden, without a separator.
    """
    return re.sub(r"^\.+", "_", re.sub(r"[\s/\\:*?\"<>|\x00-\x1f]", "_", name)) or "_"


class PathParts:
    """Parts of paths for names of one kind, no two alike: not even where upper and lower case are the same.

    Where :func:`path_part` makes two names equal, the one that was named first keeps the part, and later ones get
    ``_2``, ``_3`` and so on.

    Parameters
    ----------
    taken : iterable of str
        Parts that are something else.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {part.casefold() for part in taken}
        self._parts: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Return the part for a name; always the same one.

        Parameters
        ----------
        name : str
            As the server says it.
        """
        if name not in self._parts:
            plain = part = path_part(name)
            number = 1
            while part.casefold() in self._taken:
                number += 1
                part = f"{plain}_{number}"
            self._taken.add(part.casefold())
            self._parts[name] = part
        return self._parts[name]
