"""Private folders for what a gateway starts, and how the next gateway finds those whose owner was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

__all__ = ["abandoned", "owned_folder"]

_OWNER = "owner"


def owned_folder(prefix: str, longest: int) -> Path:
    """Make a folder for this user alone that says which process owns it.

    Parameters
    ----------
    prefix
        What its name begins with.
    longest
        Characters that its path may have, where a socket is to lie in it; where folders for temporary files have longer
        ones, it is made in `/tmp`.
    """
    parent = tempfile.gettempdir()
    if len(parent) + len(prefix) + len("/xxxxxxxx") > longest:
        parent = "/tmp"  # noqa: S108 - mkdtemp makes a folder for this user alone
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    process = psutil.Process()
    try:
        (folder / _OWNER).write_text(f"{process.pid} {process.create_time()}")
    except OSError:  # the disk is full
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def abandoned(prefix: str) -> Iterator[Path]:
    """Yield this user's folders whose owner is gone."""
    for parent in {tempfile.gettempdir(), "/tmp"}:  # noqa: S108 - looked at only
        for folder in Path(parent).glob(f"{prefix}*"):
            if folder.is_dir() and folder.stat().st_uid == os.getuid() and not _owner_lives(folder):
                yield folder


def _owner_lives(folder: Path) -> bool:
    try:
        pid, created = (folder / _OWNER).read_text().split()
        return psutil.Process(int(pid)).create_time() == float(created)
    except psutil.NoSuchProcess:
        return False
    except (OSError, ValueError, psutil.Error):
        return True  # It may just be starting.
