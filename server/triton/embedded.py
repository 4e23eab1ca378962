"""The embedded Triton: one private `tritonserver` process, started and ended with the gateway."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from ..leftovers import abandoned, owned_folder
from . import warden
from .backend_directory import assemble
from .binary import TritonBinary, find_binary
from .client import TritonClient
from .errors import TritonStartFailed, TritonUnavailable

_LOG = logging.getLogger(__name__)
_PREFIX = "radiolucent-triton-"
_LONGEST_FOLDER = 90
"""The path of the socket in it must stay below 108 characters."""
_SHARED_MEMORY_BYTES = 256 * 2**20
_TAIL_LINES = 30


@dataclass(frozen=True)
class EmbeddedOptions:
    """How the embedded Triton runs.

    Attributes
    ----------
    port
        TCP port of Triton's own gRPC service on 127.0.0.1, for plain Triton clients. None, the default: a Unix socket
        in a folder that only this user may enter, since whoever reaches Triton may load models into it.
    http_port, metrics_port
        TCP ports on 127.0.0.1 of Triton's HTTP service and its Prometheus metrics; None: not served.
    start_seconds
        Longest time from start to ready.
    drain_seconds
        Time that running requests have to end when Triton is stopped.
    threads_per_network
        Threads of one inference of one network. One is best where the networks of a set share a few cores.
    """

    port: int | None = None
    http_port: int | None = None
    metrics_port: int | None = None
    start_seconds: float = 60.0
    drain_seconds: float = 10.0
    threads_per_network: int = 1


class EmbeddedTriton:
    """A `tritonserver` process with explicit model control and no model loaded.

    It does not outlive this process, whatever ends it (see `warden`). The address stays the same over restarts.

    It serves a folder of its own, `models`, in which only what was checked appears (see `view`).

    Parameters
    ----------
    options
        How to run it.
    """

    def __init__(self, options: EmbeddedOptions | None = None) -> None:
        self._options = options or EmbeddedOptions()
        self._folder: Path | None = None
        self._warden: Process | None = None

    @property
    def address(self) -> str:
        """Where Triton's gRPC service is, as `tritonclient` takes it; empty before the first start."""
        if self._options.port is not None:
            return f"127.0.0.1:{self._options.port}"
        return f"unix:{self._folder}/grpc:1" if self._folder else ""

    @property
    def models(self) -> Path:
        """The repository that this Triton serves; exists from the first start until the stop."""
        if self._folder is None:
            raise TritonUnavailable("the embedded Triton was not started")
        return self._folder / "models"

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._warden is not None and self._warden.returncode is None

    async def start(self) -> None:
        """Start Triton and wait until it takes requests; start it again after it died.

        Raises
        ------
        TritonCannotRun
            If this machine cannot run it.
        TritonStartFailed
            If it ended or was not ready in time; with the tail of its log.
        """
        if self.running:
            return
        binary = find_binary()
        if self._folder is None:
            await asyncio.to_thread(_sweep)
            self._folder = owned_folder(_PREFIX, _LONGEST_FOLDER)
            self.models.mkdir()
            _warn_of_little_shared_memory()
        backends = self._folder / "backends"
        await asyncio.to_thread(assemble, binary, backends)
        (self._folder / "triton.log").unlink(missing_ok=True)
        # A new session: Ctrl-C in a terminal reaches the gateway alone, which drains first and stops Triton then.
        self._warden = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", warden.__file__),
            *("--folder", str(self._folder)),
            *("--shm-prefix", _shm_prefix(self._folder)),
            *("--drain-seconds", str(self._options.drain_seconds)),
            *("--", *self._command(binary, backends)),
            env=self._environment(binary),
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=DEVNULL,
            start_new_session=True,
        )
        try:
            await self._wait_until_ready()
        except BaseException:
            await self._end()
            raise

    async def ended(self) -> str:
        """Wait until the process ends; return the tail of its log."""
        if self._warden is not None:
            await self._warden.wait()
        return self.log_tail()

    async def kill(self) -> None:
        """End Triton at once; it can be started again."""
        if self.running and self._warden is not None and self._warden.stdin is not None:
            self._warden.stdin.write(warden.KILL)
            await self._warden.wait()

    async def stop(self, *, idle: bool = False) -> None:
        """End Triton; nothing is left of it. Safe to call at any time, and again.

        Parameters
        ----------
        idle
            Whether it is known that no request runs. If not, those that run may end, and Triton takes its two seconds
            to unload its models.
        """
        if idle:
            await self.kill()
        await self._end()
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._folder = None

    def log_tail(self) -> str:
        """Return the last lines of Triton's log, for operators."""
        if self._folder is None:
            return ""
        try:
            lines = (self._folder / "triton.log").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-_TAIL_LINES:])

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def _wait_until_ready(self) -> None:
        assert self._warden is not None  # noqa: S101 - for the type checker
        assert self._folder is not None  # noqa: S101
        name = _shm_prefix(self._folder)
        ended = asyncio.ensure_future(self._warden.wait())
        try:
            async with TritonClient(self.address) as client:
                deadline = asyncio.get_running_loop().time() + self._options.start_seconds
                # Its own name: on a TCP port that is taken already, somebody else's Triton would answer.
                while not (await client.ready() and await client.server_name() == name):
                    if ended.done():
                        raise TritonStartFailed(
                            f"Triton ended while it started (exit status {self._warden.returncode}).", self.log_tail()
                        )
                    if asyncio.get_running_loop().time() > deadline:
                        seconds = self._options.start_seconds
                        raise TritonStartFailed(f"Triton was not ready within {seconds:g} s.", self.log_tail())
                    await asyncio.sleep(0.03)
        finally:
            ended.cancel()

    async def _end(self) -> None:
        """Close the warden's standard input, which is how it is asked to end Triton."""
        guard, self._warden = self._warden, None
        if guard is None:
            return
        if guard.stdin is not None:
            guard.stdin.close()
        try:
            # The warden kills Triton after the drain time, and needs a moment to clean up.
            await asyncio.wait_for(guard.wait(), self._options.drain_seconds + 10)
        except asyncio.TimeoutError:
            _LOG.error("the guard of the embedded Triton did not end in time and is killed")
            guard.kill()
            await guard.wait()

    def _command(self, binary: TritonBinary, backends: Path) -> list[str]:
        options, folder = self._options, backends.parent
        name = _shm_prefix(folder)
        address, port = ("127.0.0.1", options.port) if options.port is not None else (f"unix:{folder}/grpc", 1)
        command = [
            str(binary.executable),
            f"--id={name}",
            f"--model-repository={self.models}",
            f"--backend-directory={backends}",
            "--model-control-mode=explicit",
            # The configuration comes whole with every load: completing it would start every Python model twice.
            "--disable-auto-complete-config",
            f"--grpc-address={address}",
            f"--grpc-port={port}",
            f"--allow-http={'true' if options.http_port is not None else 'false'}",
            f"--allow-metrics={'true' if options.metrics_port is not None else 'false'}",
            "--allow-gpu-metrics=false",
            "--http-address=127.0.0.1",
            "--metrics-address=127.0.0.1",
            "--log-info=false",
            "--log-warning=false",
            f"--exit-timeout-secs={max(1, round(options.drain_seconds))}",
            f"--backend-config=python,shm-region-prefix-name={name}",
            # No response cache, ever: two X-rays with one hash would get one patient's answer.
        ]
        if options.http_port is not None:
            command.append(f"--http-port={options.http_port}")
        if options.metrics_port is not None:
            command.append(f"--metrics-port={options.metrics_port}")
        return command

    def _environment(self, binary: TritonBinary) -> dict[str, str]:
        """Environment of Triton and its Python models: ours without our own settings, which may hold secrets."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RADIOLUCENT_")}
        environment["PATH"] = os.pathsep.join([str(binary.search_path), environment.get("PATH", os.defpath)])
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(map(str, binary.library_path))
        environment["OMP_NUM_THREADS"] = str(self._options.threads_per_network)
        return environment


def _sweep() -> None:
    """End what a gateway left behind that was killed together with its guard."""
    for folder in abandoned(_PREFIX):
        warden.end_strays(folder)
        warden.remove_regions(_shm_prefix(folder))
        shutil.rmtree(folder, ignore_errors=True)


def _shm_prefix(folder: Path) -> str:
    """Return the beginning of the names of all shared memory of the Triton that runs in a folder; its name, too."""
    return f"{folder.name.replace('-', '_')}_"


def _warn_of_little_shared_memory() -> None:
    try:
        free = shutil.disk_usage(warden.SHARED_MEMORY).free
    except OSError:
        return
    if free < _SHARED_MEMORY_BYTES:
        _LOG.warning(
            "only %d MiB of shared memory are free; Triton's Python backend needs 256 MiB for large X-rays "
            "(Docker: --shm-size=1g)",
            free // 2**20,
        )
