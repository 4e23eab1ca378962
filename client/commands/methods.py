"""The command ``radiolucent methods``."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ..document import plain
from ..results import MethodCatalogue
from .options import Address, AsJson, Repository, RootCertificates, connected, err, out, print_json

__all__ = ["methods"]


def methods(
    measures: Annotated[
        bool, typer.Option("--measures", help="List the measures of quality and the segmenters of the lungs instead.")
    ] = False,
    address: Address = None,
    repository: Repository = None,
    root_certificates: RootCertificates = None,
    as_json: AsJson = False,
) -> None:
    """List the explanation methods with their parameters, and the plugins that could not be loaded."""
    console = err()
    with connected(address, repository, root_certificates, console) as client:
        catalogue = client.list_methods()
    for plugin in catalogue.broken_plugins:
        console.print(f"broken plugin: {escape(plugin.name)} ({escape(plugin.distribution)}): {escape(plugin.reason)}")
    if measures:
        _list_measures(catalogue, as_json=as_json)
        return
    if as_json:
        print_json([plain(method) for method in catalogue.methods])
        return
    table = Table()
    for column in ("name", "title", "sign", "complete", "needs", "parameters", "from"):
        table.add_column(column)
    for method in catalogue.methods:
        table.add_row(
            escape(method.name),
            escape(method.title),
            method.sign.value,
            method.completeness.value.replace("_", " "),
            ", ".join(method.needs),
            escape(_parameters(method.parameters_schema)),
            escape(f"{method.distribution} {method.distribution_version}"),
        )
    out().print(table)


def _list_measures(catalogue: MethodCatalogue, *, as_json: bool) -> None:
    if as_json:
        print_json({"measures": plain(catalogue.measures), "segmenters": plain(catalogue.segmenters)})
        return
    table = Table(title="measures of quality")
    for column in ("name", "title", "family", "numbers", "better", "parameters"):
        table.add_column(column)
    for measure in catalogue.measures:
        table.add_row(
            escape(measure.name),
            escape(measure.title),
            escape(measure.family),
            escape("\n".join(value.name for value in measure.values)),
            "\n".join("" if value.better == "unspecified" else value.better for value in measure.values),
            escape(_parameters(measure.parameters_schema)),
        )
    segmenters = Table(title="segmenters of the lungs")
    for column in ("name", "title", "from"):
        segmenters.add_column(column)
    for one in catalogue.segmenters:
        segmenters.add_row(*map(escape, (one.name, one.title, f"{one.distribution} {one.distribution_version}")))
    out().print(table)
    if catalogue.segmenters:
        out().print(segmenters)
    else:
        out().print("No segmenter of the lungs is installed: packages bring them.")


def _parameters(schema: dict[str, Any]) -> str:
    """Say the parameters as ``--set`` takes them."""
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    return "\n".join(f"{name}={value.get('default', '')}" for name, value in properties.items())
