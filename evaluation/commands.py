"""Commands of the evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder that receives everything.")] = Path("build/demo"),
    films: Annotated[
        int, typer.Option(min=1, max=20, help="X-rays to explain on every network with every method.")
    ] = 6,
) -> None:
    """Train on phantoms, serve, classify, explain; ends with a report to look at.

    What was trained or exported before is used again. Exit code 1: something that must hold does not.
    """
    from rich.console import Console

    from ..client import RadiolucentError
    from .demo import DemoOptions, run_demo
    from .errors import EvaluationError

    console = Console()
    try:
        result = run_demo(DemoOptions(folder=out, explained=films, console=console))
    except (EvaluationError, RadiolucentError) as error:
        Console(stderr=True).print(f"[red]demo: {error}[/red]", highlight=False)
        raise typer.Exit(1) from None
    console.rule("what must hold")
    for claim in result.claims():
        console.print("[green]holds[/green]" if claim.holds else "[red]FAILS[/red]", claim.text, highlight=False)
    console.print(f"\n{result.classifications[0].intended_use}", style="bold")
    console.print(
        f"report: {(out / 'report.html').resolve().as_uri()}\nsummary: {out / 'summary.json'}", soft_wrap=True
    )
    if not all(claim.holds for claim in result.claims()):
        raise typer.Exit(1)
