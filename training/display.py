"""How a run looks in a terminal: a bar for each task, a table of scores at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table
from typing_extensions import Self

from .record import RunRecord

__all__ = ["TerminalProgress", "folds_table", "scores_table"]

_SUMMARY = {
    "micro_f1": "micro-F1",
    "micro_precision": "precision",
    "micro_recall": "recall",
    "macro_f1": "macro-F1",
    "macro_auroc": "macro-AUROC",
}


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
        self.console.print(text, highlight=False, soft_wrap=True)


def scores_table(record: RunRecord) -> Table:
    """Return the scores of a run on its test split, with the baseline that cannot see beside them."""
    table = Table(title=f"Test split: {record.films['test']} X-rays of {record.settings.data.name}; scores from 0 to 1")
    labels = [label.name for label in record.settings.labels]
    for heading in ("", *_SUMMARY.values(), *(f"F1 {name}" for name in labels)):
        table.add_column(heading, justify="right" if heading else "left")
    rows = [(result.name, result.test) for result in record.networks]
    rows += [("majority vote", record.majority), ("mean probability", record.mean)]
    rows += [("ridge on 16 x 16 thumbnails", record.thumbnail_ridge)]
    for name, scores in rows:
        table.add_row(name, *_cells(scores, [*_SUMMARY, *(f"f1 {label}" for label in labels)]))
    return table


def folds_table(records: Mapping[str, RunRecord], plan: str) -> Table:
    """Return the scores of the ensemble in each fold, and below each what a thumbnail scores there."""
    table = Table(title=f"{plan}: each fold tested on its own films; scores from 0 to 1")
    for heading in ("", "films", "", *_SUMMARY.values()):
        table.add_column(heading, justify="right" if heading else "left")
    for fold, record in records.items():
        films = str(record.films["test"])
        table.add_row(fold, films, "majority vote", *_cells(record.majority, _SUMMARY))
        table.add_row("", "", "mean probability", *_cells(record.mean, _SUMMARY))
        table.add_row("", "", "ridge on 16 x 16 thumbnails", *_cells(record.thumbnail_ridge, _SUMMARY))
    return table


def _cells(scores: Mapping[str, float], keys: Iterable[str]) -> list[str]:
    return [f"{scores[key]:.3f}" if key in scores else "-" for key in keys]
