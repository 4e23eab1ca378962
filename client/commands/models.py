"""The command ``radiolucent models``."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from ..document import plain
from .options import Address, AsJson, Repository, RootCertificates, connected, err, out, print_json

__all__ = ["models"]


def models(
    address: Address = None,
    repository: Repository = None,
    root_certificates: RootCertificates = None,
    as_json: AsJson = False,
) -> None:
    """List the networks that are served, and what was refused."""
    console = err()
    with connected(address, repository, root_certificates, console) as client:
        catalogue = client.list_models()
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
            escape(", ".join(model.abilities) + (f" ({model.limitation})" if model.limitation else "")),
            escape(", ".join(label.name for label in model.labels)),
        )
    console = out()
    console.print(table)
    console.print(escape(catalogue.intended_use))
