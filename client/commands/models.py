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

__all__ = ["models", "score"]

_INSPECTION_SECONDS = 60.0
_SCORE = "score and shortcut audit"
_VERDICT_WIDTH = len("shortcut not excluded: not evaluated")


def models(
    address: Address = None,
    repository: Repository = None,
    root_certificates: RootCertificates = None,
    as_json: AsJson = False,
) -> None:
    """List the networks that are served and their vote, each score beside its shortcut audit, and what was refused.

    radiolucent card NAME shows a card in full.
    """
    console = err()
    with connected(address, repository, root_certificates, console) as client:
        catalogue = client.list_models() if address else _inspected(client, console)
    for refusal in catalogue.refused:
        console.print(f"refused: {escape(refusal.name)} version {refusal.version}: {escape(refusal.reason)}")
    if as_json:
        serving = catalogue.serving.version if catalogue.serving else None
        print_json([{**plain(one), "model_set": serving if one.votes else None} for one in _listed(catalogue)])
        return
    table = Table(title=f"Model set {catalogue.serving.version}" if catalogue.serving else "No model set is served")
    for column in ("name", "version", "votes", "input", _SCORE, "explainable by", "labels"):
        table.add_column(column, min_width=_VERDICT_WIDTH if column == _SCORE else None)
    for model in _listed(catalogue):
        table.add_row(
            escape(model.name),
            str(model.version),
            "all" if model is catalogue.ensemble else "yes" if model.votes else "no",
            _input(model),
            escape(score(model)),
            escape(_abilities(model)),
            escape(", ".join(label.name for label in model.labels)),
        )
    console = out()
    console.print(table)
    for model in catalogue.models:
        for method, reason in model.refusals.items():
            console.print(escape(f"{method} does not explain {model.name}: {reason}"))
    console.print(escape(catalogue.intended_use))


def score(model: Model) -> str:
    """Say what a network or the ensemble scores, and never without what the shortcut audit says of it.

    Parameters
    ----------
    model : Model
        As the server lists it.

    Returns
    -------
    str
        Lines: micro F1 with its interval where it is known, the verdict, the best baseline that knows no medicine.
    """
    lines = [model.verdict]
    if (value := model.metrics.get("micro_f1")) is not None:
        interval = model.intervals.get("micro_f1")
        sure = f" ({interval.low:.3f} to {interval.high:.3f})" if interval else " (no interval)"
        lines.insert(0, f"micro F1 {value:.3f}{sure}")
    if model.baseline:
        lines.append(f"beside it: {model.baseline}")
    return "\n".join(lines)


def _listed(catalogue: ModelCatalogue) -> tuple[Model, ...]:
    return (*catalogue.models, *((catalogue.ensemble,) if catalogue.ensemble else ()))


def _input(model: Model) -> str:
    if not model.input_size:
        return "the file"
    return f"{model.input_channels} x {model.input_size} x {model.input_size} px"


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
