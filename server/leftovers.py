"""Private folders for what a gateway starts, and how the next gateway finds those whose owner was killed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

__all__ = ["abandoned", "owned_folder"]

_OWNER = "owner"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STARTED = 19
"""Place of the start among the fields of /proc/PID/stat that follow the name (the 22nd of all)."""


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
    pid = os.getpid()
    try:
        (folder / _OWNER).write_text(f"{pid} {_birth(pid)}")
    except OSError:  # the disk is full
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def abandoned(prefix: str) -> Iterator[Path]:
    """Yield this user's folders whose owner is gone."""
    for parent in {tempfile.gettempdir(), "/tmp"}:  # noqa: S108 - looked at only
        for folder in Path(parent).glob(f"{prefix}*"):
            if _is_own_folder(folder) and not _owner_lives(folder):
                yield folder


def _is_own_folder(path: Path) -> bool:
    try:
        state = path.lstat()  # A stranger may put a link there.
    except OSError:  # Whoever owned it has just removed it.
        return False
    return stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid()


def _owner_lives(folder: Path) -> bool:
    try:
        pid, birth = (folder / _OWNER).read_text().split()
        return _birth(int(pid)) == birth
    except (OSError, ValueError, psutil.Error):
        return True  # It may just be starting.


def _birth(pid: int) -> str:
    """Return what no other process of this number has, whatever happens to the clock; empty if there is none."""
    try:
        boot = _BOOT.read_text().strip()
    except OSError:  # not Linux
        return _created(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # A process that ended and that nobody waits for stays in the list.
    return "" if fields[0] in "ZX" else f"{boot}/{fields[_STARTED]}"


def _created(pid: int) -> str:
    try:
        return str(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return ""
