"""How a run looks in a terminal: a bar for each task, a table of scores at the end."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from typing_extensions import Self

from .record import RunRecord

__all__ = ["TerminalProgress", "scores_table"]


class TerminalProgress:
    """Shows bars on standard error, where a terminal is; elsewhere a line when a task ends.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description:28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def update(self, task: str, done: int, total: int, note: str = "") -> None:
        """Move a task's bar."""
        if task not in self._tasks:
            self._tasks[task] = self._bars.add_task(task, total=total, note=note)
        self._bars.update(self._tasks[task], completed=done, total=total, note=note)
        if done == total and not self.console.is_terminal:
            self.console.print(f"{task}: {done} of {total} {note}".rstrip(), highlight=False)

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self.console.print(text, highlight=False)


def scores_table(record: RunRecord) -> Table:
    """Return the scores of a run on its test split, with the baseline that cannot see beside them."""
    table = Table(title=f"Test split: {record.films['test']} X-rays of {record.settings.data.name}; scores from 0 to 1")
    labels = [label.name for label in record.settings.labels]
    for heading in ("", "micro-F1", "precision", "recall", "macro-F1", *(f"F1 {name}" for name in labels)):
        table.add_column(heading, justify="right" if heading else "left")
    rows = [(result.name, result.test) for result in record.networks]
    rows += [("majority vote", record.majority), ("mean probability", record.mean)]
    rows += [("ridge on 16 x 16 thumbnails", record.thumbnail_ridge)]
    for name, scores in rows:
        keys = ("micro_f1", "micro_precision", "micro_recall", "macro_f1", *(f"f1 {label}" for label in labels))
        table.add_row(name, *(f"{scores[key]:.3f}" for key in keys))
    return table
