"""Options that several commands share, and what they lead to: a client and the places to print to."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..client import Client
from ..local_server import local_server

__all__ = [
    "Address",
    "AsJson",
    "Repository",
    "RootCertificates",
    "connected",
    "err",
    "out",
    "print_json",
    "reachable",
]

Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        envvar="RADIOLUCENT_ADDRESS",
        help="A running server. Without it one is started, and stopped at the end.",
        show_envvar=True,
    ),
]
Repository = Annotated[
    Path | None,
    typer.Option(help="Model repository of the server that is started.", show_default="./model_repository"),
]
RootCertificates = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        envvar="RADIOLUCENT_ROOT_CERTIFICATES",
        show_envvar=True,
        help="Connect with TLS and check the server against these certificates (PEM).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else there.")]

_PIPED_WIDTH = 160


def out() -> Console:
    """Return where results go. In a pipe, lines are wide enough that nothing is cut off."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)


def err() -> Console:
    """Return where progress and complaints go."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else _PIPED_WIDTH, highlight=False)


def print_json(value: object) -> None:
    """Print JSON on standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


@contextlib.contextmanager
def reachable(address: str | None, repository: Path | None, console: Console, workers: int = 0) -> Iterator[str]:
    """Yield the address that was given, else that of a server with so many workers that runs as long as the block."""
    if address is not None:
        yield address
        return
    with local_server(repository, console, workers) as own:
        yield own


@contextlib.contextmanager
def connected(
    address: str | None, repository: Path | None, root_certificates: Path | None, console: Console
) -> Iterator[Client]:
    """Yield a client of the server at an address, or of one that runs as long as the block."""
    with (
        reachable(address, repository, console) as reached,
        Client(reached, root_certificates=root_certificates) as client,
    ):
        yield client
