"""Profiles as sections of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...handlers.profile import ProfileLayer, ProfileRecord
from ..report.document import Figure, Item, Section
from .figures import dead_figure, dendrograms_figure, maps_figure
from .pictures import settings, to_svg
from .tables import dead_table, differences_of, distances_table, groups_table, layers_table

__all__ = ["layers_shown", "profile_sections"]

Planes = Mapping[int, NDArray[np.float32]]

_MAPS = 6  # fewer than the files of a profile show: a page is narrow
_READ = (
    "A layer of a network makes feature maps of a film: small pictures of where the layer found what it looks for. "
    "Their mean over a group of films, less the mean over all groups, is the group's contrast: orange where the maps "
    "answer more to this group than to the others, blue where less. Each patient of a group counts once.",
    "What it can show: in which maps and where groups differ at all, beginning with the input, where differences of "
    "framing, padding and brightness between sources stand before any network has looked. What it cannot: whether a "
    "difference is used for the decision, or is disease. A contrast at the border of the film, or one that the input "
    "has already, is a warning.",
)


def profile_sections(
    profiles: Iterable[tuple[ProfileRecord, Planes]],
    *,
    layers: int = 3,
    maps: int = _MAPS,
) -> tuple[Section, ...]:
    """Return what a report says of profiles: one section on all networks, and one with the pictures of each.

    Parameters
    ----------
    profiles : iterable of (ProfileRecord, mapping of int to ndarray)
        Records, and the mean activations of each layer by its place, as `radiolucent.handlers.profile.load_planes`
        reads them. Taken one after the other: a generator has one network's planes in memory at a time.
    layers : int
        Layers of each network that are told of: the input, the last, and others evenly between.
    maps : int
        Feature maps that are drawn of each.

    Returns
    -------
    tuple of Section
        Empty where there is no profile.
    """
    records: list[ProfileRecord] = []
    differences: dict[str, tuple[float, ...]] = {}
    of_networks = []
    for record, planes in profiles:
        records.append(record)
        differences[record.network] = differences_of(planes, len(record.layers))
        of_networks.append(_of_network(record, planes, layers_shown(record, layers), maps))
    if not records:
        return ()
    shown = {record.network: layers_shown(record, layers) for record in records}
    return (_of_all(records, differences, shown), *of_networks)


def layers_shown(record: ProfileRecord, count: int) -> tuple[int, ...]:
    """Choose layers evenly from the first to the last."""
    last = len(record.layers) - 1
    return tuple(sorted({round(last * step / max(1, count - 1)) for step in range(max(1, count))}))


def _of_all(
    records: Sequence[ProfileRecord],
    differences: Mapping[str, tuple[float, ...]],
    shown: Mapping[str, tuple[int, ...]],
) -> Section:
    items: list[Item] = [groups_table(records), dead_table(records)]
    with settings():
        if (dead := dead_figure(records)) is not None:
            alt = "; ".join(f"{record.network}: {_last_dead(record)}" for record in records)
            items.append(Figure("Dead feature maps, from the first layer to the last", to_svg(dead), alt))
    items.append(layers_table(records, differences, shown))
    if (distances := distances_table(records)) is not None:
        items.append(distances)
    return Section("Neuron activation profiles", (*_READ, *_aligned(records[0])), tuple(items))


def _of_network(record: ProfileRecord, planes: Planes, shown: Sequence[int], maps: int) -> Section:
    items = []
    with settings():
        for place in shown:
            layer = record.layers[place]
            svg = to_svg(maps_figure(record, place, planes[place], maps))
            items.append(Figure(f"{record.network}, {layer.name}: {_size(layer)}", svg, _strongest(layer, maps)))
        clustered = dendrograms_figure(record, shown, across=1)
        if clustered is not None:
            svg = to_svg(clustered)
            items.append(
                Figure(f"{record.network}: how groups cluster in these layers", svg, _joined_first(record, shown))
            )
    text = "Contrasts of the strongest maps, one scale for each layer; the largest half percent share the last colour."
    return Section(f"Activation profile of {record.network}", (text,), tuple(items))


def _aligned(record: ProfileRecord) -> tuple[str, ...]:
    if record.alignment == "none":
        return ()
    return (
        "Maps were moved so that the peak of the gradient of the group's label lies in the middle; what was moved in "
        "from outside the film counts for nothing. The middle of a picture is where the network looked, not the middle "
        "of the film.",
    )


def _size(layer: ProfileLayer) -> str:
    return f"{layer.channels} maps of {layer.height} x {layer.width}" if layer.channels > 1 else "what the network sees"


def _strongest(layer: ProfileLayer, maps: int) -> str:
    return f"maps with the strongest contrast: {', '.join(map(str, layer.order[:maps]))}"


def _last_dead(record: ProfileRecord) -> str:
    layer = record.layers[-1]
    return f"{len(layer.unvarying)} of {layer.channels} maps of {layer.name} have no variance over films"


def _joined_first(record: ProfileRecord, shown: Sequence[int]) -> str:
    names = [group.name for group in record.groups]
    layers = [record.layers[place] for place in shown]
    told = [
        f"{layer.name}: {names[layer.merges[0].first]} and {names[layer.merges[0].second]} join first, at distance "
        f"{layer.merges[0].distance:.2f}"
        for layer in layers
        if layer.merges
    ]
    return "; ".join(told)
