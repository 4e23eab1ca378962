"""The explanation workers of one gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from .task import ItemTask, WorkerEvent

__all__ = ["PoolSettings", "WorkerInfo", "WorkerPool"]


@dataclass(frozen=True)
class PoolSettings:
    """How many workers there are and how they are run.

    Parameters
    ----------
    workers : int
        Worker processes.
    threads_per_worker : int
        Threads that each computes with.
    warm_models : int
        Networks that each worker keeps loaded.
    ray_address : str, optional
        A Ray cluster to join; none starts a private one on this machine.
    cancel_grace_s : float
        Seconds after which a worker that ignores a cancellation is killed.
    heartbeat_s : float
        Seconds of silence after which a busy worker is asked whether it lives, and that it has for the answer.
    start_timeout_s : float
        Seconds that the workers have to start.
    """

    workers: int = 2
    threads_per_worker: int = 1
    warm_models: int = 5
    ray_address: str | None = None
    cancel_grace_s: float = 10.0
    heartbeat_s: float = 10.0
    start_timeout_s: float = 120.0


@dataclass(frozen=True)
class WorkerInfo:
    """A worker as it is now.

    Parameters
    ----------
    worker_id : str
        Its name in the log.
    pid : int
        Its process on its machine.
    busy : bool
        Whether it has a task.
    restarts : int
        How often it was replaced.
    warm : tuple of (str, int)
        Names and versions of the networks it has loaded, most recent last.
    """

    worker_id: str
    pid: int
    busy: bool
    restarts: int
    warm: tuple[tuple[str, int], ...]


class WorkerPool:
    """Runs tasks on workers, in the order in which they come.

    Parameters
    ----------
    settings : PoolSettings
        How many workers, and how they are run.
    """

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings

    async def start(self) -> None:
        """Start the workers; call it before gRPC starts, since Ray forks.

        Raises
        ------
        PoolError
            If they do not start; the text says what to do.
        """
        raise NotImplementedError

    def run(self, task: ItemTask) -> AsyncIterator[WorkerEvent]:
        """Run one task as soon as a worker is free.

        Never raises for what goes wrong in the task: the last event is then a `WorkerFailure`. Closing the iterator
        (or cancelling who waits for it) cancels the task; it returns at once and the worker is freed behind it.

        Parameters
        ----------
        task : ItemTask
            What to do.

        Returns
        -------
        AsyncIterator of WorkerEvent
            Ends after a `WorkerDone` or a `WorkerFailure`.
        """
        raise NotImplementedError

    async def cancel(self, job_id: str) -> None:
        """Cancel the tasks of a job, waiting and running. Their iterators end with a `WorkerFailure` (CANCELLED).

        Parameters
        ----------
        job_id : str
            The job; an unknown one is ignored.
        """
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop the workers, and Ray where it was started here. Running tasks end as cancelled."""
        raise NotImplementedError

    @property
    def workers(self) -> tuple[WorkerInfo, ...]:
        """The workers as they are now."""
        raise NotImplementedError
