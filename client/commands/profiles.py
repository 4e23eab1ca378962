"""The command ``radiolucent profiles``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..client import Client
from ..document import plain
from ..errors import InvalidRequest, NotFound
from ..file_names import PathParts
from ..profile_drawing import draw_layer
from ..profiles import BrokenProfile, ProfileCatalogue, ProfileHead
from .options import Address, AsJson, Repository, RootCertificates, connected, err, out, print_json

__all__ = ["profiles"]

Pictures = dict[tuple[str, str], dict[str, str]]
"""Files of layers, of a profile and a network."""


def profiles(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A profile; without it, what is stored is listed.")
    ] = None,
    networks: Annotated[
        list[str] | None, typer.Option("--network", help="Repeatable.", show_default="every one it is of")
    ] = None,
    layers: Annotated[list[str] | None, typer.Option("--layer", help="Repeatable.", show_default="all")] = None,
    strongest: Annotated[int, typer.Option(min=1, max=100, help="How many feature maps of each layer.")] = 10,
    folder: Annotated[
        Path | None, typer.Option("--out", file_okay=False, help="Draw the layers into this folder.")
    ] = None,
    address: Address = None,
    repository: Repository = None,
    root_certificates: RootCertificates = None,
    as_json: AsJson = False,
) -> None:
    """List the neuron activation profiles that are stored with the model set, or draw one.

    With NAME its layers are listed; --out writes DIR/NETWORK/LAYER.png for each, a row of feature maps per group, and
    what an earlier run wrote there is replaced. Exit code 4: some profiles cannot be served, the others are there.
    """
    if name is None and (networks or layers or folder):
        raise typer.BadParameter("--network, --layer and --out are of one profile: give its NAME")
    console = err()
    with connected(address, repository, root_certificates, console) as client:
        found = client.profiles()
        heads, broken = _chosen(found, name, networks or [])
        for one in broken:
            _complain(console, one)
        pictures: Pictures = {}
        failed = bool(broken) and name is not None
        if folder is not None:
            pictures, missing = _draw(client, console, heads, layers or [], strongest, folder)
            failed = failed or missing
    if as_json:
        print_json([{**plain(head), **_files(pictures, head)} for head in heads])
    elif folder is not None:
        out().print(escape(f"{sum(map(len, pictures.values()))} pictures in {folder}. {_use(heads)}"))
    else:
        _print(heads, layers_too=name is not None)
    if failed:
        raise typer.Exit(4)


def _chosen(
    found: ProfileCatalogue, name: str | None, networks: Sequence[str]
) -> tuple[list[ProfileHead], list[BrokenProfile]]:
    """Return what is asked for, and refuse what is not there at all."""
    heads = [one for one in found.profiles if name in (None, one.name)]
    broken = [one for one in found.broken_profiles if name in (None, one.name)]
    if name is not None and not heads and not broken:
        there = dict.fromkeys([*(one.name for one in found.profiles), *(one.name for one in found.broken_profiles)])
        raise NotFound(f"there is no profile {name}; there are: {', '.join(there) or 'none'}")
    of = [*(one.model.name for one in heads), *(one.network for one in broken)]
    for network in networks:
        if network not in of:
            raise NotFound(f"profile {name} is not of {network}; it is of: {', '.join(of)}")
    if networks:
        heads = [one for one in heads if one.model.name in networks]
        broken = [one for one in broken if one.network in networks]
    return heads, broken


def _draw(
    client: Client, console: Console, heads: Sequence[ProfileHead], layers: Sequence[str], strongest: int, folder: Path
) -> tuple[Pictures, bool]:
    """Draw profiles one after the other; one that cannot be had does not stop the others."""
    pictures: Pictures = {}
    failed = False
    networks = PathParts()
    with console.status("drawing") as status:
        for head in heads:
            there = [facts.name for facts in head.layers]
            wanted = [layer for layer in layers if layer in there]
            if unknown := [layer for layer in layers if layer not in there]:
                failed = True
                words = f"{head.model.name}: has no layer {', '.join(unknown)}; there are: {', '.join(there)}"
                console.print(escape(words), style="red")
            if layers and not wanted:
                continue
            try:
                profile = client.profile(head.name, head.model.name, layers=wanted, strongest=strongest)
            except (InvalidRequest, NotFound) as error:  # it was replaced or removed meanwhile
                failed = True
                _complain(console, BrokenProfile(head.name, head.model.name, str(error)))
                continue
            place = folder / networks.of(head.model.name)
            place.mkdir(parents=True, exist_ok=True)
            parts = PathParts()
            files = pictures.setdefault((head.name, head.model.name), {})
            for layer in profile.layers:
                status.update(f"drawing {escape(head.model.name)}: {escape(layer.facts.name)}")
                file = place / f"{parts.of(layer.facts.name)}.png"
                file.write_bytes(draw_layer(profile.head, layer))
                files[layer.facts.name] = str(file.relative_to(folder))
    return pictures, failed


def _files(pictures: Pictures, head: ProfileHead) -> dict[str, Any]:
    files = pictures.get((head.name, head.model.name))
    return {} if files is None else {"files": files}


def _complain(console: Console, broken: BrokenProfile) -> None:
    words = f"profile {broken.name} of {broken.network} cannot be served: {broken.reason}"
    console.print(escape(words), style="red")


def _use(heads: Sequence[ProfileHead]) -> str:
    return heads[0].intended_use if heads else ""


def _print(heads: Sequence[ProfileHead], *, layers_too: bool) -> None:
    console = out()
    if not heads:
        console.print("No profile is stored with the model set that can be served.")
        return
    table = Table()
    for column in ("profile", "network", "version", "groups (films, patients)", "grouping", "alignment", "data"):
        table.add_column(column)
    table.add_column("layers", justify="right")
    for head in heads:
        table.add_row(
            escape(head.name),
            escape(head.model.name),
            str(head.model.version),
            escape("\n".join(f"{group.name} ({group.films}, {group.patients})" for group in head.groups)),
            escape(head.grouping),
            head.alignment,
            escape(f"{head.data}, {head.split}"),
            str(len(head.layers)),
        )
    console.print(table)
    if layers_too:
        console.print(_layers(heads))
    console.print(escape(_use(heads)))


def _layers(heads: Sequence[ProfileHead]) -> Table:
    table = Table()
    for column in ("network", "layer"):
        table.add_column(column)
    for column in ("feature maps", "size, px", "constant on every film", "without variance over films"):
        table.add_column(column, justify="right")
    for head in heads:
        for facts in head.layers:
            table.add_row(
                escape(head.model.name),
                escape(facts.name),
                str(facts.channels),
                f"{facts.height} x {facts.width}",
                _share(facts.constant, facts.channels),
                _share(facts.unvarying, facts.channels),
            )
    return table


def _share(number: int, of: int) -> str:
    return f"{number} ({number / max(of, 1):.1%})"
