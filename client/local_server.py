"""A server of one's own for the length of a command: started where no address is given, and always stopped again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from .errors import ServerNotStarted
from .extras import commands, missing

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["local_server"]

_PROGRAM = [sys.executable, "-m", "radiolucent.client.program"]
_START_TIMEOUT_S = 300.0
_STOP_TIMEOUT_S = 30.0
_POLL_S = 0.05
_REMEDY = "Give --address HOST:PORT of a running server, or install one here: pip install 'radiolucent[server]'"


@contextlib.contextmanager
def local_server(repository: Path | None, console: Console, workers: int = 0) -> Iterator[str]:
    """Start Triton and the gateway on a free loopback port.

    Parameters
    ----------
    repository : Path, optional
        Model repository to serve; default: the server's own setting.
    console : Console
        Where to show that it takes a while.
    workers : int
        Explanation workers; 0: the server's own setting.

    Yields
    ------
    str
        The server's address.

    Raises
    ------
    ServerNotStarted
        There is no server in this installation, or it did not come up; the text says why.
    """
    _check_installed()
    with tempfile.TemporaryDirectory(prefix="radiolucent-") as folder, _signals_unwind():
        ready, log = Path(folder, "ready.json"), Path(folder, "server.log")
        command = [*_PROGRAM, "serve", "--host", "127.0.0.1", "--port", "0", "--ready-file", str(ready)]
        command += ["--owner-folder", folder]
        command += ["--repository", str(repository)] if repository is not None else []
        command += ["--workers", str(workers)] if workers else []
        with log.open("wb") as output:
            # A session of its own: Ctrl-C is for this command, which then stops the server in its own time.
            process = subprocess.Popen(  # noqa: S603  - our own program
                command,
                # Nothing is ever written. When this program is gone, however it went, the server reads the end of its
                # input, stops, and removes the folder. No other child inherits our end of a pipe made here.
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # `-m` would put the working directory in front of everything that is installed.
                env={**os.environ, "PYTHONSAFEPATH": "1"},
            )
        try:
            with console.status("starting Triton and the gateway"):
                address = _wait_until_ready(process, ready, log)
            yield address
        finally:
            _stop(process)


def _check_installed() -> None:
    point = commands().get("serve")
    if point is None:
        raise ServerNotStarted(f"there is no server in this installation. {_REMEDY}")
    lacking = missing(point)
    if lacking:
        raise ServerNotStarted(f"there is no server in this installation ({', '.join(lacking)}). {_REMEDY}")


def _wait_until_ready(process: subprocess.Popen[bytes], ready: Path, log: Path) -> str:
    end = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < end:
        if ready.exists():
            return str(json.loads(ready.read_text(encoding="utf-8"))["address"])
        if process.poll() is not None:
            raise ServerNotStarted(f"the server did not start: {_last_words(log)}")
        time.sleep(_POLL_S)
    raise ServerNotStarted(f"the server was not ready after {_START_TIMEOUT_S:.0f} s: {_last_words(log)}")


def _last_words(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        pass
    finally:  # it hangs, or the user pressed Ctrl-C again
        if process.poll() is None:
            _kill(process)
        if process.stdin is not None:
            process.stdin.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


@contextlib.contextmanager
def _signals_unwind() -> Iterator[None]:
    """Let SIGTERM and a closed terminal unwind the stack instead of ending the process at once.

    What is under way gets its end, such as a table that is being written. Under nohup a closed terminal means nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    leaving: SystemExit | None = None

    def leave(signum: int, _: FrameType | None) -> None:
        nonlocal leaving
        # A terminal that closes sends its signal more than once; the server is given the time to end well.
        if leaving is None:
            leaving = SystemExit(128 + signum)
            raise leaving

    wanted = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {signum: signal.getsignal(signum) for signum in wanted}
    before = {signum: handler for signum, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for signum in before:
        signal.signal(signum, leave)
    try:
        yield
    except BaseException as error:
        # A signal comes in the middle of anything: what breaks on the way out is not how the command ended.
        if leaving is not None and error is not leaving:
            raise leaving from error
        raise
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
