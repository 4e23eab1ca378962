"""The most memory that something takes."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["in_a_fresh_process", "memory", "peak_mib"]

T = TypeVar("T")


def memory(field: str) -> int:
    """Return what the kernel says of this process's memory, KiB: what it has now (VmRSS) or had at most (VmHWM)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(f"{field}:")))


def peak_mib(work: Callable[[], object]) -> int:
    """Return by how much the memory of this process grows at most while something is done, MiB.

    What earlier work left free in the allocator goes back to the system first, or it would not be counted.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the peak so far
    work()
    return round((memory("VmHWM") - before) / 1024)


def in_a_fresh_process(work: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401 - whatever it takes
    """Call a function of a module in a new process, which finds the memory of none before it."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()
