"""Calls into Ray that may block for as long as it likes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from typing_extensions import ParamSpec

__all__ = ["in_thread"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function in a thread of its own that nothing waits for when the process ends.

    The threads of asyncio are few and shared with all of the gateway: calls that hang in a Ray without its processes
    would take them all, and hold up the end of the process.

    Parameters
    ----------
    function : callable
        What to call, with the other arguments.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_T] = loop.create_future()

    def settle(result: Callable[[], None]) -> None:
        if not answer.done():
            result()

    def call() -> None:
        try:
            value = function(*args, **kwargs)
        except BaseException as raised:  # noqa: BLE001 - it goes to whoever waits
            error = raised
            settled: Callable[[], None] = lambda: answer.set_exception(error)  # noqa: E731
        else:
            settled = lambda: answer.set_result(value)  # noqa: E731
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, settled)

    threading.Thread(target=call, name=f"ray {getattr(function, '__name__', 'call')}", daemon=True).start()
    return await answer
