"""What memory a worker process takes, and the most that it may take."""

from __future__ import annotations

import psutil
import torch

__all__ = ["limit_memory", "memory_taken", "ran_out"]


def limit_memory(nbytes: int) -> None:
    """Have this process refuse to take more memory of its own, where the system can (Linux).

    The allocation that would go over it fails, and with it the item that asked for it: the kernel ends no process, and
    takes none of its neighbours.

    Parameters
    ----------
    nbytes
        Private writable memory (``RLIMIT_DATA``), bytes; libraries and files that are only read do not count.
    """
    try:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (nbytes if hard < 0 else min(nbytes, hard), hard))
    except (ImportError, AttributeError):  # another system than Unix
        return


def memory_taken() -> int:
    """Return this process's own memory, what it shares with others left out, bytes."""
    taken = psutil.Process().memory_info()
    return int(taken.rss - getattr(taken, "shared", 0))


def ran_out(error: BaseException) -> bool:
    """Whether an error says that there is no memory left. Python, torch and oneDNN have three ways to say so."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


_WORDS = ("can't allocate memory", "Cannot allocate memory", "std::bad_alloc", "out of memory")
