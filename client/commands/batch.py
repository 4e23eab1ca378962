"""The command ``radiolucent batch``."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..async_client import AsyncClient
from ..batch import Scored, score
from ..errors import InvalidRequest
from ..sources import Source, find_sources
from ..table import Columns, ScoreTable, check_output
from .options import Address, Repository, RootCertificates, err, reachable

__all__ = ["batch"]

_FAILURES_SHOWN = 20


def batch(
    source: Annotated[
        Path,
        typer.Argument(exists=True, help="A folder of X-rays, or a CSV manifest with a column named file."),
    ],
    output: Annotated[Path, typer.Option("--out", dir_okay=False, help="Table to write: .csv or .parquet.")],
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="X-rays under way at a time.")] = 4,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the answers that the table has, and score only what is missing.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace a table that is there, when the new one is complete. With --resume: go on with a run that "
            "was stopped before that.",
        ),
    ] = False,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds that one X-ray may take.")] = 60.0,
    address: Address = None,
    repository: Repository = None,
    root_certificates: RootCertificates = None,
) -> None:
    """Score many X-rays: a row per image and network.

    Columns: file, model, version, model_set; per label the network's probability and vote, the networks' mean
    probability and majority; unlikeness, likeness_share and unlike_training, which warns of images unlike the training
    data; error; intended_use. An image that cannot be scored has one row with its error, is listed
    at the end, and stops nothing; the exit code is 4 then. After Ctrl-C the table holds what was scored, and --resume
    goes on. With --resume, answers of an earlier model set stay; the column model_set tells. A table that is there
    already is refused without --resume or --overwrite, and stays as it is until a new one is complete.
    """
    check_output(output, resume=resume, overwrite=overwrite)
    sources = find_sources(source)
    console = err()
    with reachable(address, repository, console) as reached:
        run = _Run(console, sources, output, resume=resume, overwrite=overwrite)
        try:
            asyncio.run(run.score(reached, root_certificates, concurrency=concurrency, timeout=timeout))
        finally:
            run.report()
    if run.failures:
        raise typer.Exit(4)


class _Run:
    """A batch as it goes."""

    def __init__(self, console: Console, sources: list[Source], output: Path, *, resume: bool, overwrite: bool) -> None:
        self.failures: list[Scored] = []
        self._console = console
        self._sources = sources
        self._output = output
        self._resume = resume
        self._overwrite = overwrite
        self._scored = 0
        self._unlike = 0
        self._kept = 0
        self._said = 0
        self._started = time.monotonic()
        self._written: Path | None = None

    async def score(self, address: str, root_certificates: Path | None, *, concurrency: int, timeout: float) -> None:
        """Score what is missing, and close the table whatever happens."""
        async with AsyncClient(address, root_certificates=root_certificates) as client:
            catalogue = await client.list_models()
            voting = next((model for model in catalogue.models if model.votes), None)
            if voting is None:
                raise InvalidRequest("the server has no model set")
            columns = Columns(tuple(label.name for label in voting.labels))
            table = ScoreTable(self._output, columns, resume=self._resume, overwrite=self._overwrite)
            complete = False
            try:
                waiting = [source for source in self._sources if source.name not in table.done]
                self._kept = self._said = len(self._sources) - len(waiting)
                self._started = time.monotonic()
                with self._bar() as bar:
                    task = bar.add_task("scoring", total=len(self._sources), completed=self._kept)
                    async with aclosing(score(client, waiting, concurrency=concurrency, timeout=timeout)) as scores:
                        async for scored in scores:
                            self._take(scored, table, columns, catalogue.intended_use)
                            bar.advance(task)
                            self._log()
                complete = True
            finally:
                self._written = table.close(complete=complete)

    def report(self) -> None:
        """Say what became of the batch, also of one that was stopped."""
        if self._written is None:
            return
        kept = f", {self._kept} kept" if self._kept else ""
        self._console.print(
            escape(f"{self._written}: {self._scored} scored{kept}, {len(self.failures)} failed"),
            style="red" if self.failures else None,
        )
        if self._unlike:
            self._console.print(
                f"WARNING: {self._unlike} of these {self._scored} are unlike the training data; their votes must not "
                "be relied on: see the column unlike_training",
                style="bold red",
            )
        if self._written != self._output:
            self._console.print(escape(f"{self._output} is as it was; --resume --overwrite goes on to replace it"))
        for scored in self.failures[:_FAILURES_SHOWN]:
            self._console.print(escape(f"  {scored.source.name}: {scored.error}"))
        if len(self.failures) > _FAILURES_SHOWN:
            self._console.print(f"  and {len(self.failures) - _FAILURES_SHOWN} more, in the column named error")

    def _take(self, scored: Scored, table: ScoreTable, columns: Columns, intended_use: str) -> None:
        if scored.classification is None:
            self.failures.append(scored)
            table.append(columns.failure(scored.source.name, scored.error or "", intended_use))
        else:
            self._scored += 1
            self._unlike += bool(scored.classification.warning)
            table.append(columns.rows(scored.source.name, scored.classification))

    def _log(self) -> None:
        """Say in a log, where there is no bar, how far it is: a line per tenth."""
        done, total = self._kept + self._scored + len(self.failures), len(self._sources)
        if not self._console.is_terminal and 10 * done // total > 10 * self._said // total:
            self._said = done
            self._console.print(f"{done} of {total} after {time.monotonic() - self._started:.1f} s")

    def _bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
