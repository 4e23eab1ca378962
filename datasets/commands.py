"""The command data.

Heavy imports are inside the functions, so that ``radiolucent --help`` stays quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

    from .film import DataSet

__all__ = ["data"]

_EXIT_INPUT = 2  # as the whole program documents its exit codes
_EXIT_INTERRUPTED = 130
_WIDTH = 200  # of what is no terminal


def data(
    manifest: Annotated[
        Path,
        typer.Argument(help="A manifest (CSV), or a folder: of classes, of DICOM files, or with a manifest in it."),
    ],
    images: Annotated[
        Path | None, typer.Option("--images", help="Folder of the images; the manifest's by default.", file_okay=False)
    ] = None,
    kind: Annotated[str, typer.Option("--kind", help="auto, csv, covid-chestxray, nih, folders or dicom.")] = "auto",
    labels: Annotated[
        list[str] | None, typer.Option("--labels", help="Only these; comma-separated or repeated.")
    ] = None,
    keep_doubtful: Annotated[
        bool, typer.Option("--keep-doubtful", help="Keep rows whose label_check contradicts or doubts their labels.")
    ] = False,
    commercial_only: Annotated[
        bool, typer.Option("--commercial-only", help="Leave out films whose licence does not allow commercial use.")
    ] = False,
    split: Annotated[
        Path | None, typer.Option("--split", help="A stored split, which wins over the manifest's.", dir_okay=False)
    ] = None,
    split_out: Annotated[
        Path | None, typer.Option("--split-out", help="Write the split there: file,group,split.", dir_okay=False)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the split, where the manifest has none.")] = 0,
    headers_only: Annotated[
        bool, typer.Option("--headers-only", help="Quicker: no film is decoded; damage and look-alikes stay unseen.")
    ] = False,
) -> None:
    """Check a data set of X-rays, and show what is in it and how much the source of a film gives away."""
    from rich.progress import Progress

    from .errors import DataSetsError, ManifestError
    from .readers import KINDS
    from .reading import read_data_set
    from .stored_split import write_split

    chosen = next((one for one in KINDS if one == kind), None)
    if chosen is None:
        raise typer.BadParameter(f"there is no kind {kind!r}; there are {', '.join(KINDS)}", param_hint="--kind")
    names = [part.strip() for item in labels or () for part in item.split(",") if part.strip()]
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bars:
            task = bars.add_task("films", total=None)
            read = read_data_set(
                manifest,
                images,
                kind=chosen,
                labels=names or None,
                keep_doubtful=keep_doubtful,
                commercial_only=commercial_only,
                split=split,
                seed=seed,
                pixels=not headers_only,
                progress=lambda done, total: bars.update(task, completed=done, total=total),
            )
        if split_out is not None:
            write_split(read.films, split_out)
    except KeyboardInterrupt:
        errors.print("[yellow]Stopped.[/] Nothing was written.")
        raise typer.Exit(_EXIT_INTERRUPTED) from None
    except ManifestError as error:
        errors.print(f"{error.path}: {_count(len(error.problems), 'problem')}", markup=False)
        for problem in error.problems:
            errors.print(f"  {problem}", markup=False)
        raise typer.Exit(_EXIT_INPUT) from None
    except (DataSetsError, OSError) as error:
        errors.print("[red]Error:[/]", end=" ")
        errors.print(str(error), markup=False)
        raise typer.Exit(_EXIT_INPUT) from None
    _show(read)
    if split_out is not None:
        errors.print(f"Split in {split_out}", markup=False)


def _show(read: DataSet) -> None:
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=_WIDTH)
    films, groups = len(read.films), len({film.group for film in read.films})
    head = f"{read.name}: {_count(films, 'X-ray')} of {_count(groups, 'group')}; sha256 {read.checksum[:12]}"
    console.print(head, markup=False, highlight=False, soft_wrap=True)
    console.print(_splits(read))
    console.print(_sources(read))
    for reason, count in read.left_out.items():
        console.print(f"Left out: {count} ({reason})", markup=False, highlight=False, soft_wrap=True)
    licences = ", ".join(f"{name or 'not told'} {count}" for name, count in read.licences.items())
    allowed = "allowed for every training film" if read.commercial_use else "not allowed for every training film"
    console.print(f"Licences: {licences}. Commercial use: {allowed}.", markup=False, highlight=False, soft_wrap=True)
    for warning in read.warnings:
        console.print(f"Warning: {warning}", markup=False, highlight=False, soft_wrap=True)
    console.print("Research use only. Not for diagnosis.", highlight=False)


def _splits(read: DataSet) -> Table:
    from rich.table import Table

    from .counts import count_labels
    from .film import SPLITS

    table = Table(title="Films with a label / without it (?: unknown)")
    for heading in ("split", "films", "groups", *(label.name for label in read.labels)):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    for split in SPLITS:
        films = read.of(split)
        counts = count_labels(films, [label.name for label in read.labels])
        cells = [_cell(count.present, count.absent, count.unknown) for count in counts.values()]
        table.add_row(split, str(len(films)), str(len({film.group for film in films})), *cells)
    return table


def _sources(read: DataSet) -> Table:
    from rich.table import Table

    from .counts import source_table

    found = source_table(read.films, [label.name for label in read.labels])
    table = Table(title="The same by source, and what the source alone scores", show_footer=True)
    table.add_column("source", footer="F1 of the source alone")
    for label in found.labels:
        f1 = found.rule_f1(label)
        table.add_column(label, justify="right", footer="-" if f1 is None else f"{f1:.2f}")
    for source in found.sources:
        counts = [found.counts[source, label] for label in found.labels]
        table.add_row(source or "not told", *(_cell(count.present, count.absent, count.unknown) for count in counts))
    return table


def _cell(present: int, absent: int, unknown: int) -> str:
    return f"{present} / {absent}" + (f" ?{unknown}" if unknown else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
