"""The Ray that the workers run on: a private one on this machine, or a cluster that is there already."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from ..errors import CannotServe

__all__ = ["RayRuntime"]

_LOG = logging.getLogger(__name__)
_MARK = "RADIOLUCENT_RAY_FOLDER"
"""Environment variable by which the processes of a private Ray are known, whatever they call themselves."""
_PREFIX = "radiolucent-ray-"
_OWNER = "owner"
_MIB = 2**20
_LONGEST_FOLDER = 45
"""Ray puts Unix sockets some 60 characters below its folder; their paths must stay below 108."""


class RayRuntime:
    """Starts Ray and stops it. Its calls block: keep them off the event loop, and off the main thread.

    (Ray takes over SIGTERM where it is started in the main thread; the gateway has its own way to stop.)

    Parameters
    ----------
    address : str or None
        A cluster to join; None starts a private Ray.
    cpus : int
        Processor cores that a private Ray hands out.
    workers : int
        Workers, for the size of a private Ray's object store.
    """

    def __init__(self, address: str | None, *, cpus: int, workers: int) -> None:
        self._address = address
        self._cpus = cpus
        self._workers = workers
        self._folder: Path | None = None

    @property
    def private(self) -> bool:
        """Whether this Ray is ours alone."""
        return self._address is None

    def start(self) -> Any:  # noqa: ANN401 - a module without types
        """Start Ray, or join a cluster.

        Returns
        -------
        module
            `ray`, imported with its environment set.

        Raises
        ------
        CannotServe
            If it does not start.
        """
        # Ray would look for `uv run` and rebuild its environment for every worker; ours has everything.
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        # What Ray will do by default some day, and warns of until then.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # A hospital's server tells nobody of its use.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if self.private:
            _set_token()
        import ray  # after its environment is set: it reads that when it is imported

        # It tells its user things of no use to ours, such as that SIGTERM stays with the gateway.
        logging.getLogger("ray").setLevel(logging.ERROR)
        _take_words_from_terminal()
        if ray.is_initialized():
            raise CannotServe("Ray runs in this process already", "Stop it first (ray.shutdown())")
        quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "namespace": "radiolucent"}
        try:
            if self._address is not None:
                ray.init(address=self._address, **quiet)
            else:
                _sweep()
                self._folder = _make_folder()
                with _environment(self._folder), _apart_from_terminal(), _working_in(self._folder):
                    ray.init(
                        address="local",  # never a Ray that happens to run on this machine
                        num_cpus=self._cpus,
                        num_gpus=None,
                        include_dashboard=False,
                        # Holds the image of each running task (32 MiB at most) and a few maps; taken as it is used.
                        object_store_memory=(64 + 96 * self._workers) * _MIB,
                        _node_ip_address="127.0.0.1",
                        _temp_dir=str(self._folder),
                        **quiet,
                    )
        except (OSError, RuntimeError, ValueError, ConnectionError) as error:
            self.stop()
            raise CannotServe(f"Ray does not start ({error!r})", _remedy(self._address)) from error
        return ray

    def stop(self) -> None:
        """Stop a private Ray and remove everything of it; leave a cluster."""
        import ray

        ray.shutdown()
        if self._folder is not None:
            _end(_processes_of(self._folder))
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def _remedy(address: str | None) -> str:
    if address is None:
        return "Check the free memory, /dev/shm and the free space in the folder for temporary files"
    return f"Check that a Ray cluster of this version answers at {address!r} and that RAY_AUTH_TOKEN is its token"


def _take_words_from_terminal() -> None:
    """Have Ray's messages, such as that a worker died, in our log: Ray prints them, also between lines of JSON.

    There is no option for this. Where a later Ray has no such function, it prints as before.
    """
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = _log_words


def _log_words(data: dict[str, Any], ignore_prefix: bool) -> None:
    """Stand in for Ray's printer."""
    # Of interest to whoever looks for a fault in Ray: the pool itself says that it lost a worker.
    _LOG.debug("Ray says: %s", " ".join(" ".join(map(str, data.get("lines", ()))).split()))


def _set_token() -> None:
    """Have a private Ray ask for a token of its own: its ports listen on every interface."""
    os.environ["RAY_AUTH_MODE"] = "token"
    # Ray remembers a process's token: where the pool starts again, it must be the same.
    if not os.environ.get("RAY_AUTH_TOKEN"):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _make_folder() -> Path:
    parent = tempfile.gettempdir()
    if len(parent) + len(_PREFIX) + 8 > _LONGEST_FOLDER:
        parent = "/tmp"  # noqa: S108 - mkdtemp makes a folder for this user alone
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    process = psutil.Process()
    (folder / _OWNER).write_text(f"{process.pid} {process.create_time()}")
    return folder


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    """Start processes in a folder: Ray has its workers look for modules first where it was started."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """Set what a private Ray's processes inherit: the mark, and how they share the processor with others."""
    ours = {
        _MARK: str(folder),
        # Classifying goes before explaining, but Ray's own 15 lets a busy neighbour starve the workers.
        "RAY_worker_niceness": "5",
        # Threads that wait for each other by spinning halve the speed where a core is shared (measured).
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update({name: before[name] or value for name, value in ours.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _apart_from_terminal() -> Iterator[None]:
    """Let what this thread starts not hear that the terminal is closed: the gateway does, and ends it in good order.

    Ray itself does the same with Ctrl-C. Without its other processes, Ray takes minutes to stop.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _sweep() -> None:
    """End what a gateway that was killed left behind. Nobody else's Ray carries our mark."""
    for parent in {tempfile.gettempdir(), "/tmp"}:  # noqa: S108 - looked at only
        for folder in Path(parent).glob(f"{_PREFIX}*"):
            if folder.is_dir() and folder.stat().st_uid == os.getuid() and not _owner_lives(folder):
                _end(_processes_of(folder))
                shutil.rmtree(folder, ignore_errors=True)


def _owner_lives(folder: Path) -> bool:
    try:
        pid, created = (folder / _OWNER).read_text().split()
        return psutil.Process(int(pid)).create_time() == float(created)
    except psutil.NoSuchProcess:
        return False
    except (OSError, ValueError, psutil.Error):
        return True  # It may just be starting.


def _processes_of(folder: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _mark_of(process) == str(folder)]


def _mark_of(process: psutil.Process) -> str | None:
    with suppress(psutil.Error, OSError):  # gone, or another user's
        return process.environ().get(_MARK)
    return None


def _end(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=5)
