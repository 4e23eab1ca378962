"""How far long work is: bars in a terminal, a line per finished task elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from .progress import Progress

__all__ = ["bars"]


@contextmanager
def bars(console: Console) -> Iterator[Progress]:
    """Show the progress of everything that is done inside.

    Parameters
    ----------
    console : Console
        Where to.

    Yields
    ------
    callable
        To be told how far a task is.
    """
    shown = Bars(
        TextColumn("{task.description:28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    tasks: dict[str, TaskID] = {}

    def tell(task: str, done: int, total: int) -> None:
        if task not in tasks:
            tasks[task] = shown.add_task(task, total=total)
        shown.update(tasks[task], completed=done, total=total)
        if done == total and not console.is_terminal:
            console.print(f"{task}: {done} of {total}", highlight=False)

    with shown:
        yield tell
