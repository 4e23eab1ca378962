"""The command ``radiolucent evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from .progress import Progress
    from .result import EvaluationResult

__all__ = ["evaluate"]

_DISAGREES = 1
_INPUT = 2


def evaluate(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Finished runs of `radiolucent train`: one, or the folds of several.", metavar="[RUN]..."),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Manifest of the X-rays; of a run, the one that it was trained on.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of its images, if not beside it.", file_okay=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for everything; evaluation/ in the run by default.", file_okay=False)
    ] = None,
    repository: Annotated[
        Path | None, typer.Option(help="Evaluate its newest model set; with a run, what --served serves.")
    ] = None,
    served: Annotated[
        bool, typer.Option("--served", help="Serve --repository with Triton and ask it too: answers must agree.")
    ] = False,
    address: Annotated[str | None, typer.Option(help="Ask this server (HOST:PORT) too: answers must agree.")] = None,
    from_tables: Annotated[
        Path | None, typer.Option(help="Compute everything again from this folder of tables.", file_okay=False)
    ] = None,
    resamples: Annotated[int | None, typer.Option(min=100, help="Bootstrap resamples of patients; 2000.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the bootstrap; 0.")] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(help="One more comparison, such as `COVID-19 vs Pneumonia in ieee8023`. May be repeated."),
    ] = None,
) -> None:
    """Score networks and their ensemble on X-rays that they were not trained on, beside what needs no medicine.

    Writes tables/ (predictions and baselines, film by film), evaluation.json, evaluation.md, report.html and
    for_cards.json. Research use only. Not for diagnosis.

    Exit code 1: the served ensemble does not answer as the networks do offline; 2: bad input.
    """
    from rich.console import Console

    from ..client import RadiolucentError
    from ..handlers.errors import HandlersError
    from .bars import bars
    from .errors import EvaluationError
    from .writing import evaluate_tables

    console = Console(stderr=True)
    try:
        with bars(console) as progress:
            if from_tables is not None:
                if any((runs, manifest, images, repository, served, address, compare, resamples, seed)):
                    raise EvaluationError("--from-tables takes nothing but --out: all else is in the tables")
                tables, target = from_tables, out or from_tables.parent
            else:
                if manifest is None:
                    raise EvaluationError("name the manifest of the X-rays: --manifest (or --from-tables)")
                target = out or (runs[0] if runs else Path()) / "evaluation"
                tables = target / "tables"
                source = (tuple(runs or ()), repository, address, served)
                asked = (tuple(compare or ()), 2000 if resamples is None else resamples, seed or 0)
                _measure(source, manifest, images, asked, tables, console, progress)
            result = evaluate_tables(tables, target, progress)
    except (EvaluationError, HandlersError, RadiolucentError) as error:
        console.print("[red]evaluate:[/]", end=" ")
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(_INPUT) from None
    _say(result, target)
    if result.agreement is not None and not result.agreement.holds:
        console.print("[red]The served ensemble does not answer as the networks do offline.[/]")
        raise typer.Exit(_DISAGREES)


def _measure(
    source: tuple[tuple[Path, ...], Path | None, str | None, bool],
    manifest: Path,
    images: Path | None,
    asked: tuple[tuple[str, ...], int, int],
    tables: Path,
    console: Console,
    progress: Progress,
) -> None:
    """Fill the folder of tables; here is what needs torch, which computing again from tables does not."""
    from functools import partial

    from ..datasets import DataSetsError, read_data_set
    from .errors import EvaluationError
    from .measuring import Networks, measure_tables
    from .stored import write_tables

    networks = Networks(*source)
    try:
        # A run says itself which films it was made of, and for which labels; doubtful films may be among them.
        data_set = read_data_set(
            manifest,
            images,
            lone_labels=True,
            keep_doubtful=bool(networks.runs),
            pixels=False,
            progress=partial(progress, "manifest"),
        )
    except DataSetsError as error:
        raise EvaluationError(str(error)) from error
    write_tables(measure_tables(networks, data_set, *asked, console, progress), tables)


def _say(result: EvaluationResult, folder: Path) -> None:
    """Print the verdict before the scores, and where to read on."""
    from rich.console import Console
    from rich.table import Table

    from .for_cards import pooled_baselines
    from .report.numbers import with_interval

    console = Console()
    for verdict in result.verdicts:
        console.print(f"{verdict.label}: {verdict.text}", markup=False, highlight=False, soft_wrap=True)
    table = Table(title=f"{result.data.name}: {result.films} X-rays of {result.patients} patients, 95 % intervals")
    for heading in ("", "micro-F1", *(f"AUROC {label}" for label in result.label_names)):
        table.add_column(heading)
    for item in result.predictors:
        names = ("micro_f1", *(f"auroc {label}" for label in result.label_names))
        table.add_row(item.name, *(with_interval(item.metrics[name]) for name in names))
    table.add_section()
    best = pooled_baselines(result)
    beside = [best.get(name) for name in ("micro_f1", *(f"auroc {label}" for label in result.label_names))]
    cells = ["not audited" if one is None else f"{one[0]} {with_interval(one[1])}" for one in beside]
    table.add_row("best without medicine", *cells)
    console.print(table)
    console.print(result.intended_use, style="bold")
    console.print(f"report: {(folder / 'report.html').resolve().as_uri()}", highlight=False, soft_wrap=True)
