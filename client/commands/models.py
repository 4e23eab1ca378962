"""The command ``radiolucent models``."""

from __future__ import annotations

import time

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..client import Client
from ..document import plain
from ..results import Model, ModelCatalogue
from .options import Address, AsJson, Repository, RootCertificates, connected, err, out, print_json

__all__ = ["models"]

_INSPECTION_SECONDS = 60.0


def models(
    address: Address = None,
    repository: Repository = None,
    root_certificates: RootCertificates = None,
    as_json: AsJson = False,
) -> None:
    """List the networks that are served, and what was refused."""
    console = err()
    with connected(address, repository, root_certificates, console) as client:
        catalogue = client.list_models() if address else _inspected(client, console)
    for refusal in catalogue.refused:
        console.print(f"refused: {escape(refusal.name)} version {refusal.version}: {escape(refusal.reason)}")
    if as_json:
        serving = catalogue.serving.version if catalogue.serving else None
        print_json([{**plain(model), "model_set": serving if model.votes else None} for model in catalogue.models])
        return
    table = Table(title=f"Model set {catalogue.serving.version}" if catalogue.serving else "No model set is served")
    for column in ("name", "version", "votes", "input", "micro F1", "explainable by", "labels"):
        table.add_column(column)
    for model in catalogue.models:
        table.add_row(
            escape(model.name),
            str(model.version),
            "yes" if model.votes else "no",
            f"{model.input_channels} x {model.input_size} x {model.input_size} px",
            f"{model.metrics['micro_f1']:.3f}" if "micro_f1" in model.metrics else "",
            escape(_abilities(model)),
            escape(", ".join(label.name for label in model.labels)),
        )
    console = out()
    console.print(table)
    for model in catalogue.models:
        for method, reason in model.refusals.items():
            console.print(escape(f"{method} does not explain {model.name}: {reason}"))
    console.print(escape(catalogue.intended_use))


def _inspected(client: Client, console: Console) -> ModelCatalogue:
    """Wait until the server that was started here has found out how its networks can be explained."""
    end = time.monotonic() + _INSPECTION_SECONDS
    with console.status("looking at the networks"):
        while True:
            catalogue = client.list_models()
            if all(model.inspected for model in catalogue.models) or time.monotonic() > end:
                return catalogue
            time.sleep(0.2)


def _abilities(model: Model) -> str:
    if not model.inspected:
        return "not yet found out"
    return ", ".join(model.abilities) + (f" ({model.limitation})" if model.limitation else "")
