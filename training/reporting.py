"""How commands end that cannot go on: one message, an exit code, no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

__all__ = ["reported"]

_EXIT_INPUT = 2  # as the whole program documents its exit codes


@contextmanager
def reported(again: str = "") -> Iterator[Console]:
    """Turn what is expected to go wrong into one message, and Ctrl-C into a promise that holds.

    Parameters
    ----------
    again : str
        What the user can do after a stop.
    """
    from ..datasets import DataSetsError
    from ..handlers.errors import HandlersError
    from .errors import Interrupted, TrainingError, WrongArgument

    console = Console(stderr=True)
    try:
        yield console
    except Interrupted as stop:
        console.print(f"[yellow]Stopped:[/] {stop}. {again}", highlight=False, soft_wrap=True)
        raise typer.Exit(130) from None
    except KeyboardInterrupt:
        console.print(f"[yellow]Stopped.[/] {again}", highlight=False, soft_wrap=True)
        raise typer.Exit(130) from None
    except (TrainingError, DataSetsError, HandlersError) as error:
        console.print("[red]Error:[/]", end=" ")
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(_EXIT_INPUT if isinstance(error, (WrongArgument, DataSetsError)) else 1) from None
