"""What memory a worker process takes, and the most that it may take."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from pathlib import Path

import psutil

__all__ = ["MemoryBudget", "primitives_kept", "return_free_memory"]

_STATUS = Path("/proc/self/status")
_KIB = 1024
_PRIMITIVE_BYTES = 768 * _KIB
"""What the budget is charged for a convolution that oneDNN keeps compiled: pages for its code, most of them never
written to. In the five networks of the paper it is 0.4 to 0.6 MB in bfloat16 and less in float32; small convolutions
were found to take 1.6 MB, of which so many would fill two thirds of the memory."""
_FEWEST_PRIMITIVES, _MOST_PRIMITIVES = 1024, 16384


class MemoryBudget:
    """Bounds what this process takes from now on, where the system can (Linux).

    The allocation that would go over it fails, and with it the item that asked for it: the kernel ends no process, and
    takes none of its neighbours. What is bounded is private writable memory, whether it was written to or not
    (`RLIMIT_DATA`), and that is what `taken` measures: a process is never refused memory while it seems to have some.

    Parameters
    ----------
    nbytes
        How much, beside what it takes now; None for no bound.
    """

    def __init__(self, nbytes: int | None) -> None:
        self._base = _private_bytes()
        if nbytes is None:
            return
        with suppress(ImportError, AttributeError):  # another system than Unix
            import resource

            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            soft = self._base + nbytes
            resource.setrlimit(resource.RLIMIT_DATA, (soft if hard < 0 else min(soft, hard), hard))

    def taken(self) -> int:
        """Return what it has taken of the budget, bytes."""
        return max(0, _private_bytes() - self._base)


def primitives_kept(nbytes: int) -> int:
    """Return how many compiled convolutions oneDNN may keep: what a third of a worker's memory holds.

    Each is for one shape and batch size. Five networks in two precisions, their gradients and the boxes of occlusion
    have several times the 1024 that oneDNN keeps by default, and compiling them anew for every film takes a tenth of a
    second for every batch of InceptionV3. Where they fill the memory, nothing more can be compiled and items fail.

    Parameters
    ----------
    nbytes : int
        What the worker may take.

    Returns
    -------
    int
        No fewer than oneDNN's default, 1024; no more than 16384.
    """
    return min(max(nbytes // 3 // _PRIMITIVE_BYTES, _FEWEST_PRIMITIVES), _MOST_PRIMITIVES)


def return_free_memory() -> None:
    """Give the system back what this process freed and its heap keeps, where the C library can (glibc)."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _private_bytes() -> int:
    """Return this process's private writable memory, bytes."""
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * _KIB
    return int(psutil.Process().memory_info().rss)
