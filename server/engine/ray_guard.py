"""Guard of one private Ray: a small program of its own, standard library only.

The gateway starts it and imports what is said here once. It starts Ray's head, whose processes become its own children,
and ends all of Ray when its standard input closes: because the gateway asks for it, or because the gateway is gone,
however it went. It does the same when Ray's `gcs_server` or `raylet` ends, since nothing of Ray works without them, and
its own end tells the gateway so. Then it takes away Ray's folder.

Ray's processes are known by a variable in their environment and by their working directory, which what they start
inherits. A signal to a process group would miss most: Ray gives its processes groups and sessions of their own.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

MARK = "RADIOLUCENT_RAY_FOLDER"
"""Environment variable by which the processes of a private Ray are known, whatever they call themselves."""
VITAL = ("gcs_server", "raylet")
END_SECONDS = 5.0
CHECK_SECONDS = 1.0
PR_SET_CHILD_SUBREAPER = 36


def main(arguments: list[str]) -> int:
    """Run Ray until it breaks or standard input closes.

    Returns
    -------
    int
        0 if asked to end, 1 if Ray broke.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True, help="Ray's folder, taken away at the end")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="program that starts Ray's head, and ends then")
    options = parser.parse_args(arguments)
    # Whoever ends a whole group or service means the gateway, which ends this program in good order.
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    # What Ray's starter leaves becomes a child of this program, which so learns when it ends.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    broken = False
    try:
        starter = _start(options.command[1:], options.folder)
        broken = not _wait(starter, woken)
    finally:
        end(options.folder)
    return int(broken)


def _start(command: list[str], folder: Path) -> int:
    with (folder / "start.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - the command comes from the gateway that started this program
            command,
            cwd=folder,
            env=os.environ | {MARK: str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Signals that are ignored here would be ignored by all of Ray.
            preexec_fn=_heed_signals,  # one thread only in this program: safe
        ).pid


def _heed_signals() -> None:
    for heeded in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(heeded, signal.SIG_DFL)


def _wait(starter: int, woken: int) -> bool:
    """Wait; True if standard input closed, False if Ray did not start or broke."""
    while True:
        ready, _, _ = select.select([sys.stdin, woken], [], [], CHECK_SECONDS)
        if sys.stdin in ready and not os.read(sys.stdin.fileno(), 64):
            return True
        if woken in ready:
            os.read(woken, 4096)
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            name = _name_of(ended.si_pid)
            os.waitpid(ended.si_pid, 0)
            if name in VITAL or (ended.si_pid == starter and ended.si_status != 0):
                return False


def end(folder: Path) -> None:
    """Kill what carries the mark of this folder, wait until nothing does, and remove the folder."""
    deadline = time.monotonic() + END_SECONDS
    while (processes := marked(folder)) and time.monotonic() < deadline:
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    shutil.rmtree(folder, ignore_errors=True)


def marked(folder: Path) -> list[int]:
    """Return the processes that carry the mark of this folder, or work in it."""
    mark = f"{MARK}={folder}".encode()
    places = (str(folder), f"{folder} (deleted)")
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone, or another user's
            # Those of Ray's programs that give themselves a name may write it over their environment.
            place = os.readlink(process / "cwd")
            inside = place in places or place.startswith(f"{folder}/")
            if inside or mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def _name_of(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
