"""A private Ray: its processes, its guard and its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from ..errors import CannotServe
from ..leftovers import abandoned, owned_folder
from . import ray_guard

__all__ = ["NOT_INHERITED", "PrivateRay", "sweep"]

_PREFIX = "radiolucent-ray-"
_ADDRESS = "address"
NOT_INHERITED = ("RAY_gcs_rpc_server_reconnect_timeout_s",)
"""Patience with a lost head that this process alone has: what is left of a broken Ray should end by itself."""
_LONGEST_FOLDER = 40
"""Ray puts Unix sockets 66 characters below this folder; their paths must stay below 108."""
_START_SECONDS = 90.0
_END_SECONDS = 10.0


class PrivateRay:
    """The processes of a Ray on this machine that is ours alone. It does not outlive this process.

    Parameters
    ----------
    cpus : int
        Processor cores that it hands out.
    object_store_bytes : int
        Size of its object store.
    port : int
        TCP port of its head on the loopback interface.
    """

    def __init__(self, *, cpus: int, object_store_bytes: int, port: int) -> None:
        self.folder = owned_folder(_PREFIX, _LONGEST_FOLDER)
        """For this user alone; what the gateway reads lies here, and Ray's own files in a folder below."""
        program = [sys.executable, "-m", f"{__package__}.ray_head", "--folder", str(self.folder)]
        sizes = ["--port", str(port), "--cpus", str(cpus), "--object-store-bytes", str(object_store_bytes)]
        try:
            self._guard = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", "-S", ray_guard.__file__, "--folder", str(self.folder), "--", *program, *sizes],
                # Only this process has the other end of its standard input, which closes with it, however it ends.
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                # Ctrl-C and a closed terminal reach the gateway alone, which ends its Ray in good order.
                start_new_session=True,
            )
        except OSError:  # no memory for another process
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    @property
    def running(self) -> bool:
        """Whether it works, or still starts."""
        return self._guard.poll() is None

    def wait_until_it_answers(self) -> None:
        """Wait until its head answers.

        Raises
        ------
        CannotServe
            If it does not start.
        """
        deadline = time.monotonic() + _START_SECONDS
        address, said = self.folder / _ADDRESS, ""
        while self.running and time.monotonic() < deadline:
            if address.exists():
                return
            said = _last_line(self.folder / "start.log") or said
            time.sleep(0.02)
        self.stop()
        raise CannotServe(
            f"Ray does not start ({said or 'it says nothing'})",
            "Check the free memory, /dev/shm and the free space in the folder for temporary files",
        )

    def give_up(self) -> None:
        """Have it end, also while it starts; waits for nothing."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()

    def stop(self) -> None:
        """End its processes and remove its folder. Safe to call again."""
        self.give_up()
        try:
            self._guard.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        ray_guard.end(self.folder)  # in case that somebody killed the guard


def sweep() -> None:
    """End what a gateway left behind that was killed together with its guard. Nobody else's Ray carries our mark."""
    for folder in abandoned(_PREFIX):
        ray_guard.end(folder)


def _environment() -> dict[str, str]:
    """Return what a private Ray's processes inherit; they also need what the driver's environment says."""
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    return {
        # Classifying goes before explaining, but Ray's own 15 lets a busy neighbour starve the workers.
        "RAY_worker_niceness": "5",
        # Threads that wait for each other by spinning halve the speed where a core is shared (measured).
        "OMP_WAIT_POLICY": "PASSIVE",
        "RAY_prestart_worker_first_driver": "0",
        **inherited,
    }


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
