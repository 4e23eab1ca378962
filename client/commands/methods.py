"""The command ``radiolucent methods``."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from ..document import plain
from .options import Address, AsJson, Repository, RootCertificates, connected, err, out, print_json

__all__ = ["methods"]


def methods(
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


def _parameters(schema: dict[str, Any]) -> str:
    """Say the parameters as ``--set`` takes them."""
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    return "\n".join(f"{name}={value.get('default', '')}" for name, value in properties.items())
