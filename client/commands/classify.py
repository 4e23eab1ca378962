"""The command ``radiolucent classify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ..document import plain
from ..errors import InvalidRequest
from .options import Address, AsJson, Repository, RootCertificates, connected, err, out, print_json
from .votes import print_votes

__all__ = ["classify"]


def classify(
    files: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, metavar="FILE...", help="X-rays: DICOM, PNG or JPEG.")
    ],
    address: Address = None,
    repository: Repository = None,
    root_certificates: RootCertificates = None,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds that one X-ray may take.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Let the networks vote on X-rays.

    A file that cannot be read is named, and the others are classified; the exit code is 2 then. --json prints a list
    with an object per file.
    """
    console, results = err(), out()
    answers: list[dict[str, Any]] = []
    failed = False
    with connected(address, repository, root_certificates, console) as client:
        for file in files:
            try:
                classification = client.classify(file, timeout=timeout)
            except (InvalidRequest, OSError) as error:
                failed = True
                reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
                console.print(f"{escape(str(file))}: {escape(reason)}", style="red")
                answers.append({"file": str(file), "error": reason})
                continue
            answers.append({"file": str(file), **plain(classification)})
            if not as_json:
                print_votes(results, str(file), classification)
    if as_json:
        print_json(answers)
    if failed:
        raise typer.Exit(2)
