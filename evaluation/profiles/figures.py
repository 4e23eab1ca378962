"""The pictures of a profile."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...client.dendrogram import dendrogram
from ...client.profiles import ProfileMerge
from ...handlers.profile import ProfileLayer, ProfileRecord
from .contrasts import contrasts_of
from .mosaic import mosaic
from .places import INPUT

__all__ = ["STRONGEST", "dead_figure", "dendrograms_figure", "maps_figure"]

STRONGEST = 10
"""Feature maps of a layer that are shown, as in arXiv:2006.02570."""

_CLIP_PERCENTILE = 99.5  # values beyond share the last colour
_BELOW_AND_ABOVE = LinearSegmentedColormap.from_list(
    "below_and_above", ["#0d3f8f", "#5f9bdc", "#f7f7f7", "#f2a64a", "#b34700"]
).with_extremes(bad="white")
_COLOURS = ("#3b6ea8", "#d1600f", "#4a8f6d", "#8a5fb0", "#b8902e", "#5f6773", "#2f9aa6", "#b45a7d")
_ACROSS = 4
_LONGEST_TITLE = 30
_CELL_INCHES = 0.66
_LARGE = 96  # pixels of a map that is shown alone


def maps_figure(record: ProfileRecord, place: int, means: NDArray[np.float32], shown: int = STRONGEST) -> Figure:
    """Draw the contrasts of the strongest maps of a layer: groups as rows, maps as columns, one scale for all.

    Parameters
    ----------
    record : ProfileRecord
        The profile.
    place : int
        Of the layer in it.
    means : ndarray of float32, shape [groups, channels, height, width]
        Its mean activations.
    shown : int
        How many maps.
    """
    layer = record.layers[place]
    channels = layer.order[:shown]
    contrasts = contrasts_of(means)[:, channels]
    limit = float(np.percentile(np.abs(contrasts), _CLIP_PERCENTILE)) or float(np.abs(contrasts).max()) or 1.0
    names = [group.name for group in record.groups]
    if len(channels) == 1:
        drawing = _side_by_side(contrasts[:, 0], names, limit)
    else:
        drawing = _groups_by_maps(contrasts, names, channels, limit)
    bar = drawing.colorbar(
        ScalarMappable(Normalize(-limit, limit), _BELOW_AND_ABOVE), ax=drawing.axes, extend="both", pad=0.02
    )
    bar.set_label(f"contrast, {unit_of(layer)}", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    return drawing


def _groups_by_maps(
    contrasts: NDArray[np.float64], names: Sequence[str], channels: Sequence[int], limit: float
) -> Figure:
    plane = mosaic(contrasts)
    wide = _CELL_INCHES * len(channels)
    tall = wide * plane.shape[0] / plane.shape[1]
    drawing = Figure(figsize=(wide + 0.085 * max(map(len, names)) + 1.3, max(1.6, tall + 0.7)), layout="constrained")
    axes = drawing.subplots()
    _show(axes, plane, limit)
    axes.set_yticks(_centres(plane.shape[0], len(names)), names)
    axes.set_xticks(_centres(plane.shape[1], len(channels)), [str(channel) for channel in channels])
    axes.set_xlabel("feature map, strongest contrast first", fontsize=9)
    return drawing


def _side_by_side(contrasts: NDArray[np.float64], names: Sequence[str], limit: float) -> Figure:
    """Draw the groups of a layer with one map, such as the input, larger and beside each other."""
    across = min(_ACROSS, len(names))
    down = -(-len(names) // across)
    drawing = Figure(figsize=(1.9 * across + 1.0, 2.3 * down), layout="constrained")
    grid = list(drawing.subplots(down, across, squeeze=False).flat)
    for axes, plane, name in zip(grid, contrasts, names, strict=False):
        _show(axes, mosaic(plane[None, None], _LARGE), limit)
        axes.set_title(fill(name, 24), fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    return drawing


def _show(axes: Any, plane: NDArray[np.float32], limit: float) -> None:  # noqa: ANN401  - matplotlib's axes
    axes.imshow(plane, cmap=_BELOW_AND_ABOVE, vmin=-limit, vmax=limit, interpolation="none", aspect="equal")
    axes.tick_params(length=0, labelsize=9)
    for side in axes.spines.values():
        side.set_visible(False)


def unit_of(layer: ProfileLayer) -> str:
    """Name the unit of a layer's activations."""
    return "units of the input" if layer.name == INPUT else "units of activation"


def dendrograms_figure(
    record: ProfileRecord, places: Collection[int] | None = None, across: int = _ACROSS
) -> Figure | None:
    """Draw how groups cluster in every layer, or in some; None where groups are not clustered."""
    chosen = range(len(record.layers)) if places is None else places
    layers = [layer for place, layer in enumerate(record.layers) if place in chosen and layer.merges]
    if not layers:
        return None
    across = min(across, len(layers))
    down = -(-len(layers) // across)
    names = [group.name for group in record.groups]
    longest = max(map(len, names))
    drawing = Figure(
        figsize=(max(6.0, (1.5 + 0.075 * longest) * across + 0.3), (0.55 + 0.24 * len(names)) * down + 0.5),
        layout="constrained",
    )
    grid = drawing.subplots(down, across, squeeze=False)
    largest = max(layer.merges[-1].distance for layer in layers)
    for axes, layer in zip(grid.flat, layers, strict=False):
        dendrogram(axes, [ProfileMerge(one.first, one.second, one.distance) for one in layer.merges], names)
        axes.set_xlim(0, 1.05 * largest or 1.0)  # one scale for all layers, named once below
        axes.set_xlabel("")
        axes.set_title(_end_of(layer.name), fontsize=9, loc="right")  # room is at the left, over names of groups
    for axes in list(grid.flat)[len(layers) :]:
        axes.set_visible(False)
    drawing.supxlabel("cosine distance of contrasts at which clusters join (0 alike, 2 opposite)", fontsize=9)
    return drawing


def dead_figure(records: Sequence[ProfileRecord]) -> Figure | None:
    """Draw the share of dead maps from the first layer to the last, by network and rule; None where no map is dead."""
    if not any(layer.unvarying or layer.constant for record in records for layer in record.layers):
        return None
    drawing = Figure(figsize=(7.6, 3.4), layout="constrained")
    axes = drawing.subplots()
    for number, record in enumerate(records):
        layers = [layer for layer in record.layers if layer.name != INPUT]
        at = np.linspace(0, 1, len(layers)) if len(layers) > 1 else np.zeros(len(layers))
        colour = _COLOURS[number % len(_COLOURS)]
        shares = [100 * len(layer.unvarying) / layer.channels for layer in layers]
        axes.plot(at, shares, "o-", color=colour, markersize=4, linewidth=1.4, label=record.network)
        constant = [100 * len(layer.constant) / layer.channels for layer in layers]
        axes.plot(at, constant, "x--", color=colour, markersize=4, linewidth=0.9)
    axes.set_xlabel("layers, first to last (share of the way)")
    axes.set_ylabel("dead maps, %")
    axes.set_ylim(0, max(1.0, 1.05 * axes.get_ylim()[1]))
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.plot([], [], "o-", color="#444444", markersize=4, label="no variance over films")
    axes.plot([], [], "x--", color="#444444", markersize=4, linewidth=0.9, label="constant on every film")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return drawing


def _end_of(name: str) -> str:
    return name if len(name) <= _LONGEST_TITLE else f"…{name[1 - _LONGEST_TITLE :]}"


def _centres(length: int, parts: int) -> NDArray[np.float64]:
    return np.asarray((np.arange(parts) + 0.5) * length / parts - 0.5, dtype=np.float64)
