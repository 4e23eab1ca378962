"""Guard of one Triton process: a small program of its own, standard library only.

The gateway starts it and only imports its constants. It starts Triton in a process group of its own, and ends it when
its standard input closes: because the gateway asks for it, or because the gateway is gone, however it went. A byte
there asks to kill it: nothing runs, or it does not work any more. Then it takes away what Triton leaves behind: Python
stubs, shared memory, empty folders for temporary files, the folder it ran in.

That is why it exists, instead of a parent-death signal set by the gateway: such a signal follows the *thread* that
forked, needs code between fork and exec (never safe beside gRPC's threads), and cleans nothing.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory lives on Linux
TEMPORARY = Path("/tmp")  # noqa: S108 - where Triton's Python backend makes its folders, whatever TMPDIR says
ENVIRONMENTS = "python_env_*"
TRITONS = ("tritonserver", "triton_python_backend_stub"[:15])  # the kernel cuts names of processes
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
IN_CREATE = 0x100
KILL = b"k"
LOG_LIMIT_BYTES = 4 * 2**20
CHECK_SECONDS = 60.0
CLOCK_TICK = 0.01  # files have times of a clock that is this much behind
START_SECONDS = 0.1  # more than the time of a process's start is wrong by, less than Triton takes to load a model


def main(arguments: list[str]) -> int:
    """Run Triton until it ends or standard input closes.

    Returns
    -------
    int
        Triton's own exit status (negative: the signal that ended it).
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True, help="taken away when standard input closes")
    parser.add_argument("--shm-prefix", required=True)
    parser.add_argument("--drain-seconds", type=float, required=True)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)

    os.umask(0o077)
    libc = ctypes.CDLL(None, use_errno=True)
    created = libc.inotify_init1(os.O_CLOEXEC)
    libc.inotify_add_watch(created, str(SHARED_MEMORY).encode(), IN_CREATE)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)  # the numbers of signals that came

    end_strays(options.folder)  # of a Triton whose guard was killed
    started = time.time()
    log = options.folder / "triton.log"
    with log.open("ab", buffering=0) as output:
        triton = subprocess.Popen(  # noqa: S603 - the command comes from the gateway that started this program
            options.command[1:],
            # The Python stub looks for modules in its working directory first: there must be none of anybody's.
            cwd=options.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # One thread only in this program, so code between fork and exec is safe here. The signal is for the case
            # that somebody kills this program. Not SIGTERM: a Triton that takes its time to end would take away the
            # socket of the one that is started in its place.
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0),
        )
    guard = _Guard(triton, log, options.shm_prefix, woken, created)
    asked = guard.wait_until_asked_or_over()
    if asked:
        triton.send_signal(signal.SIGTERM)
        try:
            triton.wait(options.drain_seconds)
        except subprocess.TimeoutExpired:
            triton.kill()
    status = triton.wait()
    _end_group(triton.pid)
    end_strays(options.folder)
    remove_regions(options.shm_prefix)
    _remove_environments(started)
    if asked:
        shutil.rmtree(options.folder, ignore_errors=True)
    return status


@dataclass(frozen=True)
class _Guard:
    triton: subprocess.Popen[bytes]
    log: Path
    shm_prefix: str
    woken: int
    created: int

    def wait_until_asked_or_over(self) -> bool:
        """Wait; True if standard input closed or SIGTERM came, False if Triton ended by itself."""
        watched = [sys.stdin.fileno(), self.woken] + ([self.created] if self.created >= 0 else [])
        while True:
            ready, _, _ = select.select(watched, [], [], CHECK_SECONDS)
            if sys.stdin.fileno() in ready:
                if not os.read(sys.stdin.fileno(), 64):
                    return True
                self.triton.kill()
            if self.woken in ready and signal.SIGTERM in os.read(self.woken, 64):
                return True
            if self.triton.poll() is not None:
                return False
            if self.created in ready:
                os.read(self.created, 65536)
                time.sleep(0.01)  # Triton sets the mode itself, right after it created the file
            self._make_private()
            self._bound_log()

    def _make_private(self) -> None:
        """X-rays pass through Triton's shared memory, which it makes readable for every user, whatever the umask."""
        for region in _regions(self.shm_prefix):
            with suppress(OSError):
                region.chmod(0o600)

    def _bound_log(self) -> None:
        """Triton never rotates its log. It appends, so cutting the file under it is safe."""
        with suppress(OSError):
            if self.log.stat().st_size > LOG_LIMIT_BYTES:
                os.truncate(self.log, 0)


def _regions(prefix: str) -> list[Path]:
    return list(SHARED_MEMORY.glob(f"{prefix}*"))


def remove_regions(prefix: str) -> None:
    """Remove shared memory by its prefix."""
    for region in _regions(prefix):
        region.unlink(missing_ok=True)


def end_strays(folder: Path) -> None:
    """Kill what of a Triton works in a folder: its Python stubs outlive it, with its memory, where nobody ends them."""
    places = (str(folder), f"{folder} (deleted)")
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):  # gone, or another user's
            if os.readlink(process / "cwd") in places and _state(process)[0] in TRITONS:
                os.kill(int(process.name), signal.SIGKILL)


def _remove_environments(since: float, folder: Path = TEMPORARY) -> None:
    """Remove the folder that the Python backend made for each of its models, which a Triton that is killed leaves.

    Nothing says whose a folder is. So only those of this user go that are empty, and were made since our Triton
    started and before any other that runs.
    """
    until = min(_starts_of_tritons(), default=math.inf)
    for environment in folder.glob(ENVIRONMENTS):
        with suppress(OSError):
            state = environment.lstat()
            if state.st_uid == os.getuid() and since - CLOCK_TICK <= state.st_mtime < until - START_SECONDS:
                environment.rmdir()


def _starts_of_tritons() -> Iterator[float]:
    """Yield when each process started in which a Triton runs now: a server, or whatever has a Python model."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            name, parent, start = _state(process)
            if name in TRITONS:
                yield start if name == TRITONS[0] else _state(process.parent / parent)[2]


def _state(process: Path) -> tuple[str, str, float]:
    """Return a process's name, its parent's number, and when it started."""
    name, _, rest = (process / "stat").read_text().partition("(")[2].rpartition(")")
    fields = rest.split()
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return name, fields[1], time.time() - age


def _end_group(group: int) -> None:
    """Kill the stubs that outlived Triton and wait until none is left."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            return
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) & 0xFF)
