"""Paths of this machine in texts that callers see."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["without_paths"]

_ABSOLUTE = re.compile(r"(?<![\w.:/])/(?:[^\s/'\"`,;:()<>]+/)+")


def without_paths(text: str, root: Path) -> str:
    """Return a text whose paths below a folder are relative to it, and in which others are their last part alone.

    Parameters
    ----------
    text
        Words of ours or of Triton.
    root
        The model repository.
    """
    for folder in (root.resolve(), root):  # in this order: the relative one is the end of the other
        text = text.replace(f"{folder}/", "")
    return _ABSOLUTE.sub("", text)
