"""How far an audit is, on a terminal or in a log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from typing_extensions import Self

from ...client.commands.time_left import TimeLeft, TimeLeftColumn

__all__ = ["AuditBar"]


class AuditBar:
    """One bar over all films that are left, with the time that is left; in a log, a line per tenth.

    Parameters
    ----------
    console : Console
        Where to.
    weights : mapping of str to float
        The films to explain, and what each costs beside the others.
    work_s : float, optional
        Estimated seconds for all of them, with all workers.
    """

    def __init__(self, console: Console, weights: Mapping[str, float], work_s: float | None) -> None:
        self._console = console
        self._weights = weights
        self._all = sum(weights.values()) or 1.0
        self._done: dict[str, float] = {}
        self._finished = 0
        self._said = 0
        self._started = time.monotonic()
        self._left = TimeLeft()
        self._left.plan(work_s, 0.0)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeLeftColumn(self._left),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        self._task = self._bar.add_task(self._words(), total=1.0, whole=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def far(self, file: str, fraction: float) -> None:
        """Take in which share of a film is done, in [0, 1]; 1 where it is finished."""
        self._finished += fraction >= 1 > self._done.get(file, 0.0)
        self._done[file] = fraction
        whole = sum(self._weights.get(name, 0.0) * share for name, share in self._done.items()) / self._all
        self._left.progress(whole)
        if self._task is not None:
            self._bar.update(self._task, completed=whole, description=self._words())
        films = len(self._weights)
        if not self._console.is_terminal and 10 * self._finished // films > 10 * self._said // films:
            self._said = self._finished
            left = f", {self._left.words()}" if self._left.words() and self._finished < films else ""
            self._console.print(
                f"{self._words()} after {time.monotonic() - self._started:.0f} s{left}", highlight=False
            )

    def say(self, text: str) -> None:
        """Print what somebody who waits should know."""
        self._console.print(escape(text), style="yellow", highlight=False, soft_wrap=True)

    def _words(self) -> str:
        return f"explaining: {self._finished} of {len(self._weights)} X-rays"
