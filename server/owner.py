"""The program that started a server for itself alone, and how the server learns that it is gone.

The owner holds the write end of a pipe to the server's standard input. However the owner ends, `kill -9` and a lack of
memory included, the kernel closes that end, and the server reads the end of its input. A parent-death signal would
follow the thread that started the server, not the program.
"""

from __future__ import annotations

import asyncio
import os
import select
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

__all__ = ["Owner"]

_STANDARD_INPUT = 0


class Owner:
    """Who holds the other end of standard input. A context manager: where it is gone at the end, so is its folder.

    Parameters
    ----------
    folder : Path
        Made by the owner for this server, and removed by the owner, if it still can.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # A number of its own, which no child inherits; what is inherited as standard input has nothing to read.
        self._pipe = os.dup(_STANDARD_INPUT)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, _STANDARD_INPUT)
        os.close(nothing)

    def watch(self, loop: asyncio.AbstractEventLoop, lost: Callable[[], object]) -> None:
        """Call back when the owner is gone.

        Parameters
        ----------
        loop : AbstractEventLoop
            Where to wait.
        lost : callable
            Is called once.
        """

        def look() -> None:
            if self.gone():
                loop.remove_reader(self._pipe)
                lost()

        loop.add_reader(self._pipe, look)

    def gone(self) -> bool:
        """Whether the owner is gone; what it may have written is no sign of that."""
        while select.select([self._pipe], [], [], 0)[0]:
            if not os.read(self._pipe, 4096):
                return True
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.gone():
            shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._pipe)
