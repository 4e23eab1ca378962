"""How Python, torch and oneDNN say that there is no memory left."""

from __future__ import annotations

import torch

__all__ = ["ran_out"]

_WORDS = ("can't allocate memory", "Cannot allocate memory", "std::bad_alloc", "out of memory")


def ran_out(error: BaseException) -> bool:
    """Whether an error says that there is no memory left: it says nothing of what was computed then."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    # oneDNN's words for no room for the code of a convolution; with more words after them they mean something else.
    no_room = str(error).endswith("could not create a primitive")
    return isinstance(error, RuntimeError) and (no_room or any(words in str(error) for words in _WORDS))
