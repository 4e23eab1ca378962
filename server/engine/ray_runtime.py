"""The Ray that the workers run on: a private one on this machine, or a cluster that is there already."""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import CannotServe
from .ray_cluster import ClusterProbe
from .ray_port import LOOPBACK, ReservedPort
from .ray_private import NOT_INHERITED, PrivateRay, sweep

__all__ = ["RayRuntime"]

_LOG = logging.getLogger(__name__)
_MIB = 2**20
_FOR_EVER_SECONDS = 10**8
_SHUTDOWN_SECONDS = 20.0


class RayRuntime:
    """Starts Ray and stops it, as often as need be. Its calls block: keep them off the event loop and the main thread.

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
        # Holds the image of each running task (32 MiB at most) and a few maps; taken as it is used.
        self._object_store_bytes = (64 + 96 * workers) * _MIB
        self._ours: PrivateRay | None = None
        self._port: ReservedPort | None = None
        self._probe: ClusterProbe | None = None
        self._starting: PrivateRay | None = None
        self._given_up = False
        self._turn = threading.Lock()
        """Held to begin or end a start, so that none is missed by who gives up."""

    @property
    def private(self) -> bool:
        """Whether this Ray is ours alone."""
        return self._address is None

    @property
    def folder(self) -> Path | None:
        """Folder of a private Ray that runs."""
        return self._ours.folder if self._ours is not None else None

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
        _set_environment(private=self.private)
        import ray  # after its environment is set: it reads that when it is imported
        from ray._private import ray_constants

        # It tells its user things of no use to ours, such as that SIGTERM stays with the gateway.
        logging.getLogger("ray").setLevel(logging.ERROR)
        _take_words_from_terminal()
        if ray.is_initialized():
            raise CannotServe("Ray runs in this process already", "Stop it first (ray.shutdown())")
        try:
            if self.private:
                ray_constants.ENABLE_RAY_CLUSTER = False  # where something imported Ray before the environment was set
                sweep()
                self._start_private()
            self._join(ray)
        except BaseException:
            self.stop()
            raise
        return ray

    def restart(self) -> None:
        """Start Ray again after it was lost, or join its cluster again. Another try may follow one that failed.

        Raises
        ------
        CannotServe
            If it is not there yet.
        """
        import ray

        if self._ours is not None:
            if not self._ours.running:
                self._ours.stop()
                self._start_private()
        elif self._probe is not None and not self._probe.head_answers():
            raise CannotServe("The head of the Ray cluster does not answer", _remedy(self._address))
        if not _shut_down(_SHUTDOWN_SECONDS):
            raise CannotServe("Ray does not let go of the old connection", _remedy(self._address))
        self._join(ray)

    def give_up(self) -> None:
        """Have a start that is under way end soon, and none begin any more. Waits for nothing; then call `stop`.

        A head that still starts is ended. One that this process joins just now is not: it may take this process along.
        """
        with self._turn:
            self._given_up = True
            if self._starting is not None:
                self._starting.give_up()

    def _start_private(self) -> None:
        try:
            with self._turn:
                self._go_on()
                # The same port again: until a head answers there, no call of this process to the old one ever returns,
                # not even those that Ray makes when it is shut down. Where a stranger listens, those do return.
                if self._port is None or not self._port.free():
                    self._let_go_of_port()
                    self._port = ReservedPort()
                self._ours = self._starting = PrivateRay(
                    cpus=self._cpus, object_store_bytes=self._object_store_bytes, port=self._port.number
                )
        except OSError as error:
            raise CannotServe(f"Ray does not start ({error!r})", _remedy(None)) from error
        try:
            self._starting.wait_until_it_answers()
        finally:
            with self._turn:
                self._starting = None

    def _join(self, ray: Any) -> None:  # noqa: ANN401
        self._go_on()
        try:
            ray.init(address=self._where(), log_to_driver=False, configure_logging=False, job_config=_job_config())
            if not self.private:
                # The old one goes when there is a new one: should that fail, it can still be asked.
                before, self._probe = self._probe, ClusterProbe()
                if before is not None:
                    before.close()
        except (OSError, RuntimeError, ValueError, ConnectionError, ray.exceptions.RayError) as error:
            raise CannotServe(f"Ray does not start ({error!r})", _remedy(self._address)) from error

    def _go_on(self) -> None:
        if self._given_up:
            raise CannotServe("Ray is not started, since it is being stopped", "Start the gateway again")

    def _where(self) -> str:
        address = f"{LOOPBACK}:{self._port.number}" if self._port is not None else self._address
        if address is None:  # Ray would take this for the wish to start another.
            raise CannotServe("The private Ray was stopped", "Start the gateway again")
        return address

    def _let_go_of_port(self) -> None:
        if self._port is not None:
            self._port.release()
            self._port = None

    def alive(self) -> bool:
        """Return whether the Ray that was started, or joined, is still there; may take some seconds."""
        if self._ours is not None:
            return self._ours.running
        return self._probe is not None and self._probe.alive()

    def gpus_for_each_of(self, workers: int) -> float:
        """Return which share of a GPU each of so many workers may ask for, so that all find room.

        Parameters
        ----------
        workers : int
            How many there are.
        """
        import ray

        gpus = int(ray.cluster_resources().get("GPU", 0))
        if gpus == 0:
            return 0.0
        workers_on_one = -(-workers // gpus)
        # Ray counts in ten-thousandths, and rounds.
        return int(10_000 / workers_on_one) / 10_000

    def stop(self) -> None:
        """Stop a private Ray and remove everything of it; leave a cluster. Safe to call again."""
        if not _shut_down(_SHUTDOWN_SECONDS):
            # It waits for a head that is gone, and would do so again when this process ends.
            from ray._private import worker

            atexit.unregister(worker.shutdown)
        if self._ours is not None:
            self._ours.stop()
            self._ours = None
        self._let_go_of_port()
        if self._probe is not None:
            self._probe.close()
            self._probe = None


def _shut_down(within_s: float) -> bool:
    """Have Ray let go of everything in this process; False if it takes longer."""
    import ray

    shutdown = threading.Thread(target=ray.shutdown, name="ray shutdown", daemon=True)
    shutdown.start()
    shutdown.join(within_s)
    return not shutdown.is_alive()


def _remedy(address: str | None) -> str:
    if address is None:
        return "Check the free memory, /dev/shm and the free space in the folder for temporary files"
    return f"Check that a Ray cluster of this version answers at {address!r} and that RAY_AUTH_TOKEN is its token"


def _set_environment(*, private: bool) -> None:
    defaults = {
        # Ray would look for `uv run` and rebuild its environment for every worker; ours has everything.
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        # What Ray will do by default some day, and warns of until then.
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        # A hospital's server tells nobody of its use.
        "RAY_USAGE_STATS_ENABLED": "0",
        # A call that comes while Ray is away must fail; it would start another Ray, on the event loop.
        "RAY_ENABLE_AUTO_CONNECT": "0",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    # Ray ends the process that waits this long for its head (60 s). We notice long before, and start it again.
    os.environ.update(dict.fromkeys(NOT_INHERITED, str(_FOR_EVER_SECONDS)))
    if private:
        # Ray's way to say "this machine alone", whatever the machine: all its ports are on the loopback interface.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        # Others on this machine reach those: have it ask for a token of its own.
        os.environ["RAY_AUTH_MODE"] = "token"
        # Ray remembers a process's token: where the pool starts again, it must be the same.
        if not os.environ.get("RAY_AUTH_TOKEN"):
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


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


class _NoPaths(list[str]):
    """Paths for modules that stays empty."""

    def extend(self, values: Iterable[str]) -> None:
        """Leave out what Ray adds."""


def _job_config() -> Any:  # noqa: ANN401 - of a module without types
    """Have workers import what is installed alone: Ray has them look first where the gateway was started."""
    from ray.job_config import JobConfig

    config = JobConfig(ray_namespace="radiolucent")
    config._py_driver_sys_path = _NoPaths()
    return config
