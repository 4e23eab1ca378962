"""A job as it goes, in a terminal or, line by line, in a log."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ..events import Classified, Event, Failure, Heatmap, Item, Summary
from ..events import Progress as ItemProgress
from .durations import in_words
from .time_left import TimeLeft, TimeLeftColumn

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LiveJob"]

_LOG_STEP = 0.1


class LiveJob:
    """Shows events: a bar for the job and one for each item at work; in a log, a line per map and per tenth.

    Parameters
    ----------
    console : Console
        Standard error, so that results stay alone on standard output.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._left = TimeLeft()
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeLeftColumn(self._left),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._job: TaskID | None = None
        self._items: dict[tuple[str, str], TaskID] = {}
        self._started = time.monotonic()
        self._logged = 0.0
        self._first = True

    def __enter__(self) -> Self:
        self._bars.start()
        self._job = self._bars.add_task("waiting for the votes", total=100, whole=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, event: Event) -> None:
        """Show an event.

        Parameters
        ----------
        event : Event
            Any.
        """
        if isinstance(event, Classified):
            votes = ", ".join(event.classification.majority) or "no label has a majority"
            targets = ", ".join(target.label for target in event.targets)
            self._say(f"votes after {self._seconds()}: {votes}")
            if event.classification.warning:
                self._say(f"WARNING: {event.classification.warning}", style="bold red")
            self._say(f"explaining {targets} in {len(event.items)} items{_expected(event)}")
            self._left.plan(event.estimated_work_s, event.estimated_wait_s)
            self._describe("explaining")
        elif isinstance(event, ItemProgress):
            self._progress(event)
        elif isinstance(event, Heatmap):
            what = f"{event.model.name}, {event.label}, {event.method}"
            if event.aggregate is not None:
                what += f", {event.aggregate.words}"
            if self._first:
                self._first = False
                kind = "" if event.final else "partial "
                self._say(f"first {kind}heatmap after {self._seconds()}")
            if event.final:
                self._say(f"heatmap: {what} ({event.elapsed_s:.1f} s)")
        elif isinstance(event, Failure):
            what = f"{event.item.model.name}, {event.item.method}"
            if event.item.aggregation is None:
                self._drop(event.item)
            else:
                what += f", {event.item.aggregation.word}"
            self._say(f"failed: {what}: {event.message}", style="red")
        elif isinstance(event, Summary):
            self._say(f"{event.state.value} after {self._seconds()}")

    def _progress(self, event: ItemProgress) -> None:
        key = (event.item.model.name, event.item.method)
        self._left.progress(event.job_fraction)
        if self._job is not None:
            self._bars.update(self._job, completed=round(100 * event.job_fraction))
        if event.done >= event.total:
            self._drop(event.item)
        elif key in self._items:
            self._bars.update(self._items[key], completed=event.done, total=event.total)
        else:
            self._items[key] = self._bars.add_task(
                escape(f"{key[0]}, {key[1]}"), completed=event.done, total=event.total
            )
        if not self._console.is_terminal and event.job_fraction >= self._logged + _LOG_STEP:
            self._logged = event.job_fraction // _LOG_STEP * _LOG_STEP
            left = self._left.words() if event.job_fraction < 1 else ""
            self._say(f"{event.job_fraction:.0%} of the work after {self._seconds()}{', ' if left else ''}{left}")

    def _drop(self, item: Item) -> None:
        task = self._items.pop((item.model.name, item.method), None)
        if task is not None:
            self._bars.remove_task(task)

    def _describe(self, text: str) -> None:
        if self._job is not None:
            self._bars.update(self._job, description=text)

    def _say(self, text: str, style: str | None = None) -> None:
        self._console.print(escape(text), style=style)

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._started:.1f} s"


def _expected(event: Classified) -> str:
    if event.estimated_work_s is None:
        return ""
    return f", about {in_words(event.estimated_work_s)} of one worker"
