"""The command ``radiolucent card``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ..cards import as_html, as_markdown, card_page
from .options import Address, AsJson, Repository, RootCertificates, connected, err, print_json

__all__ = ["card"]


def card(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A network, or chest_xray for the ensemble.")
    ] = "chest_xray",
    version: Annotated[int, typer.Option("--version", min=0, help="0 is the one being served.")] = 0,
    html: Annotated[
        Path | None, typer.Option("--html", dir_okay=False, help="Write a page to this file, instead of Markdown.")
    ] = None,
    address: Address = None,
    repository: Repository = None,
    root_certificates: RootCertificates = None,
    as_json: AsJson = False,
) -> None:
    """Show a model card: verdict of the audit, use, scores, thresholds, data and licences, limitations, checksums.

    Markdown on standard output; --html FILE writes a page to print or to send, --json the card itself.
    """
    if html is not None and as_json:
        raise typer.BadParameter("give either --html FILE or --json")
    console = err()
    with connected(address, repository, root_certificates, console) as client:
        details = client.get_model(name, version)
    if as_json:
        print_json(details.card)
    elif html is not None:
        html.write_text(as_html(card_page(details)), encoding="utf-8")
        console.print(f"{escape(str(html))}: {escape(details.model.verdict)}. {escape(details.model.intended_use)}")
    else:
        typer.echo(as_markdown(card_page(details)), nl=False)
