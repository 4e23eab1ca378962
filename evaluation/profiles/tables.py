"""Profiles as tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...handlers.profile import ProfileLayer, ProfileRecord
from ..report.document import Table
from ..report.numbers import ABSENT
from .contrasts import contrasts_of
from .places import INPUT

__all__ = ["dead_table", "differences_of", "distances_table", "groups_table", "layers_table"]

_NAMED = 5


def groups_table(records: Sequence[ProfileRecord]) -> Table:
    """Return the groups; of each network, where groups depend on what it says."""
    shared = len({record.groups for record in records}) == 1
    rows = [
        (*(() if shared else (record.network,)), group.name, str(group.films), str(group.patients))
        for record in (records[:1] if shared else records)
        for group in record.groups
    ]
    header = ("group", "films", "patients")
    first = records[0]
    note = f"{first.data}, split {first.split}; grouped by {first.grouping}."
    if first.grouping.split(";")[0] in ("label", "label-x-prediction"):
        note += " A film may be in several groups."
    return Table("Groups", header if shared else ("network", *header), tuple(rows), note)


def dead_table(records: Sequence[ProfileRecord]) -> Table:
    """Return dead maps, all layers of a network together and the worst one."""
    rows = []
    for record in records:
        layers = [layer for layer in record.layers if layer.name != INPUT]
        if not layers:
            continue
        maps = sum(layer.channels for layer in layers)
        worst = max(layers, key=lambda layer: len(layer.unvarying) / layer.channels)
        most = _share(len(worst.unvarying), worst.channels)
        rows.append(
            (
                record.network,
                str(maps),
                _share(sum(len(layer.unvarying) for layer in layers), maps),
                _share(sum(len(layer.constant) for layer in layers), maps),
                f"{worst.name}: {most}" if worst.unvarying else ABSENT,
            )
        )
    note = (
        "Maps of the profiled layers, without the input. No variance: at every place the same value on all films, so "
        "the map tells nothing of any film. Constant: one value all over each film (max - min <= 1e-30, the rule of "
        "arXiv:2006.02570); padding with zeros makes borders differ and so hides dead maps from this rule."
    )
    header = ("network", "maps", "no variance over films", "constant on every film", "most in (no variance)")
    return Table("Dead feature maps", header, tuple(rows), note)


def layers_table(
    records: Sequence[ProfileRecord],
    differences: Mapping[str, Sequence[float]],
    shown: Mapping[str, Collection[int]] | None = None,
) -> Table:
    """Return every layer with its dead maps, how much groups differ there and in which maps.

    Parameters
    ----------
    records : sequence of ProfileRecord
        The profiles.
    differences : mapping of str to sequence of float
        By network: `differences_of` its planes.
    shown : mapping of str to collection of int, optional
        By network: places of the layers to tell of; all.
    """
    rows = [
        (
            record.network,
            layer.name,
            f"{layer.channels} x {layer.height} x {layer.width}",
            _share(len(layer.unvarying), layer.channels),
            _share(len(layer.constant), layer.channels) if layer.height * layer.width > 1 else ABSENT,
            f"{100 * difference:.1f} %",
            ", ".join(map(str, layer.order[:_NAMED])) if layer.channels > 1 else ABSENT,
        )
        for record in records
        for place, (layer, difference) in enumerate(zip(record.layers, differences[record.network], strict=True))
        if shown is None or place in shown[record.network]
    ]
    note = (
        "Groups differ by: mean absolute contrast over maps, pixels and groups, as a share of the mean absolute "
        "activation. It compares layers of one profile; few patients make it larger, so it is no measure of a network."
    )
    header = (
        "network",
        "layer",
        "maps x height x width",
        "no variance",
        "constant",
        "groups differ by",
        "strongest maps",
    )
    return Table("Layers", header, tuple(rows), note)


def differences_of(planes: Mapping[int, NDArray[np.float32]], layers: int) -> tuple[float, ...]:
    """Return, layer by layer, the mean absolute contrast as a share of the mean absolute activation; 0 of nothing."""
    found = []
    for place in range(layers):
        level = float(np.abs(planes[place].mean(axis=0, dtype=np.float64)).mean())
        found.append(float(np.abs(contrasts_of(planes[place])).mean()) / level if level else 0.0)
    return tuple(found)


def distances_table(records: Sequence[ProfileRecord]) -> Table | None:
    """Return the distances between groups at the input and in each network's last layer; None for two groups."""
    if not any(layer.distances for record in records for layer in (record.layers[0], record.layers[-1])):
        return None
    columns = [(record.network, _pairs(record, record.layers[-1])) for record in records]
    if records[0].layers[0].name == INPUT:
        columns.insert(0, (INPUT, _pairs(records[0], records[0].layers[0])))
    pairs = dict.fromkeys(pair for _, found in columns for pair in found)
    rows = tuple((*pair, *(found.get(pair, ABSENT) for _, found in columns)) for pair in pairs)
    note = (
        "Cosine distance of contrasts, 0 (alike) to 2 (opposite), at the input (as the first network sees it) and in "
        "the last profiled layer of each network; profile.json has all layers. Contrasts add up to nothing over the "
        "groups, so that few groups are far apart by arithmetic alone: two are always opposite (and not shown), three "
        "that differ evenly are 1.5 apart."
    )
    return Table("How alike groups are", ("group", "group", *(name for name, _ in columns)), rows, note)


def _pairs(record: ProfileRecord, layer: ProfileLayer) -> dict[tuple[str, str], str]:
    names = [group.name for group in record.groups]
    return {
        (names[one], names[two]): f"{layer.distances[one][two]:.2f}"
        for one in range(len(names) if layer.distances else 0)
        for two in range(one + 1, len(names))
    }


def _share(part: int, whole: int) -> str:
    return f"{part} ({100 * part / whole:.1f} %)"
