"""A gateway of one's own, whose log and whose processes can be looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["Gateway", "gateway"]

_START_S = 180.0
_STOP_S = 60.0


@dataclass
class Gateway:
    """A gateway that runs.

    Attributes
    ----------
    address
        Where it answers.
    process
        Its process.
    exit_code
        Of its process, once it was stopped.
    """

    address: str
    process: psutil.Process
    exit_code: int | None = None

    def family(self) -> list[psutil.Process]:
        """Return it and everything it started."""
        return [self.process, *self.process.children(recursive=True)]


@contextmanager
def gateway(repository: Path, log: Path, settings: Mapping[str, object]) -> Iterator[Gateway]:
    """Start a gateway on a free loopback port, and stop it in the end.

    Parameters
    ----------
    repository
        Model repository to serve.
    log
        Where its output goes.
    settings
        Settings by name; those of the environment do not count.

    Yields
    ------
    Gateway
        Ready to be called.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RADIOLUCENT_")}
    environment |= {f"RADIOLUCENT_{name.upper()}": str(value) for name, value in settings.items()}
    environment["PYTHONSAFEPATH"] = "1"
    folder = Path(tempfile.mkdtemp(prefix="radiolucent-load-"))
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "radiolucent.client.program", "serve", "--host", "127.0.0.1", "--port", "0"]
    command += ["--repository", str(repository), "--ready-file", str(ready), "--owner-folder", str(folder)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        # Its standard input ends when this program does, however that ends: then it stops, too.
        server = subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    running = None
    try:
        end = time.monotonic() + _START_S
        while not ready.exists():
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the gateway did not start, see {log}")
            time.sleep(0.1)
        running = Gateway(json.loads(ready.read_text())["address"], psutil.Process(server.pid))
        yield running
    finally:
        server.terminate()
        try:
            code = server.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            code = server.wait()
        if running is not None:
            running.exit_code = code
        if server.stdin is not None:
            server.stdin.close()  # nobody is left to remove the folder but us
        ready.unlink(missing_ok=True)
        if folder.exists():
            folder.rmdir()
