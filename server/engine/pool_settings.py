"""How the workers of a gateway are run, and what is told of them."""

from __future__ import annotations

from dataclasses import dataclass

from ...handlers.limits import MAX_PIXELS

__all__ = ["PoolSettings", "WorkerInfo"]


@dataclass(frozen=True)
class PoolSettings:
    """How many workers there are and how they are run.

    Parameters
    ----------
    workers : int
        Worker processes.
    threads_per_worker : int
        Threads that each computes with.
    warm_bytes : int
        Weights that each worker keeps loaded, bytes.
    memory_bytes : int
        What each worker may take; an item that needs more fails.
    recycle_bytes : int
        A worker that has taken more than this when an item ends is replaced.
    recycle_items : int
        A worker that has run so many items is replaced.
    max_pixels : int
        Limit of an X-ray's height x width.
    ray_address : str, optional
        A Ray cluster to join; none starts a private one on this machine.
    cancel_grace_s : float
        Seconds after which a worker that ignores a cancellation is killed.
    heartbeat_s : float
        Seconds of silence after which a busy worker is asked whether it lives, and that it has for the answer.
    stall_s : float
        Seconds without a forward pass or any other sign of a method, after which its worker is killed.
    segment_s : float
        Seconds that a segmenter has for an X-ray; then its worker is killed.
    start_timeout_s : float
        Seconds that the workers have to start.
    """

    workers: int = 1
    threads_per_worker: int = 2
    warm_bytes: int = 5 * 2**28
    memory_bytes: int = 2**35
    recycle_bytes: int = 2**34
    recycle_items: int = 1000
    max_pixels: int = MAX_PIXELS
    ray_address: str | None = None
    cancel_grace_s: float = 2.0
    heartbeat_s: float = 10.0
    stall_s: float = 600.0
    segment_s: float = 120.0
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
