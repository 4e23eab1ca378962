"""A layer of a neuron activation profile as a picture: its strongest feature maps, group by group.

Orange is more active than the mean over groups, blue less; white is the mean. All panels share one scale.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .dendrogram import dendrogram
from .profiles import ProfileHead, ProfileLayer
from .rendering import Scale, scale_of
from .results import Sign

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.text import Text

__all__ = ["draw_layer"]

_LESS, _NONE, _MORE = (0.05, 0.32, 0.75), (1.0, 1.0, 1.0), (0.90, 0.45, 0.00)
_DPI = 150
# All in inches.
_RIGHT, _TOP, _FOOT = 1.1, 1.5, 0.5
_NARROWEST_NAMES, _WIDEST_NAMES, _LETTER = 1.5, 3.2, 0.085
_EDGE = 0.15
_LEAST_WIDTH = 7.0
_LARGEST_PANEL, _SMALLEST_PANEL = 2.2, 0.5
_USUAL_PANELS, _MOST_PANELS = 9.5, 24.0
_TWO_LINES = 0.4
_FLATTEST, _STEEPEST = 0.4, 2.5
_LABELLED = 1.6
_GAP = 0.03
"""Between panels, as a share of one."""


def draw_layer(head: ProfileHead, layer: ProfileLayer) -> bytes:
    """Draw the strongest feature maps of a layer, a row per group.

    Parameters
    ----------
    head : ProfileHead
        What the profile is of.
    layer : ProfileLayer
        The layer.

    Returns
    -------
    bytes
        A PNG file. For three groups or more it has a dendrogram of them, where the profile has one.
    """
    # The object interface: no global state, so that threads may draw at the same time and no display is asked for.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sizes = _sizes(head, layer)
    figure = Figure(figsize=(sizes.width, sizes.height), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    scale = scale_of(layer.contrasts.reshape(len(head.groups), -1), Sign.SIGNED)
    painted = _panels(figure, sizes, head, layer, scale)
    _legend(figure, sizes, painted, layer, scale)
    if sizes.tree:
        box = _box(sizes, sizes.left, _FOOT + 0.35, sizes.width - sizes.left - _EDGE - 0.2, sizes.tree - 0.6)
        axes = figure.add_axes(box)
        dendrogram(axes, layer.facts.merges, [group.name for group in head.groups])
        for name in axes.get_yticklabels():
            _fit(name, sizes.left - 0.1 - _EDGE)
    _title(figure, sizes, head, layer)
    _write(figure, sizes, _EDGE, 0.2, head.intended_use, size=9)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": "radiolucent"})
    return file.getvalue()


@dataclass(frozen=True)
class _Sizes:
    """Of a picture, in inches."""

    left: float
    """Where panels begin; the names of the groups are left of it."""
    panel: tuple[float, float]
    panels: tuple[float, float]
    tree: float
    """Height of the dendrogram and what belongs to it; 0 where there is none."""

    @property
    def width(self) -> float:
        return max(_LEAST_WIDTH, self.left + self.panels[0] + _RIGHT)

    @property
    def height(self) -> float:
        return _TOP + self.panels[1] + self.tree + _FOOT


def _sizes(head: ProfileHead, layer: ProfileLayer) -> _Sizes:
    groups, maps = layer.contrasts.shape[:2]
    steepness = min(_STEEPEST, max(_FLATTEST, layer.facts.height / layer.facts.width))
    across = min(_MOST_PANELS, max(_USUAL_PANELS, _SMALLEST_PANEL * maps))
    wide = min(_LARGEST_PANEL, across / max(maps, 1), _MOST_PANELS / (groups * steepness))
    has_tree = groups > 2 and bool(layer.facts.merges)
    longest = max(len(group.name) for group in head.groups)
    return _Sizes(
        left=min(_WIDEST_NAMES, max(_NARROWEST_NAMES, 0.4 + _LETTER * longest)),
        panel=(wide, wide * steepness),
        panels=(wide * maps, wide * steepness * groups),
        tree=0.8 + 0.24 * len(head.groups) if has_tree else 0.0,
    )


def _box(sizes: _Sizes, left: float, bottom: float, width: float, height: float) -> tuple[float, float, float, float]:
    return left / sizes.width, bottom / sizes.height, width / sizes.width, height / sizes.height


def _panels(figure: Figure, sizes: _Sizes, head: ProfileHead, layer: ProfileLayer, scale: Scale) -> AxesImage:
    from matplotlib.colors import LinearSegmentedColormap

    groups, maps = layer.contrasts.shape[:2]
    bottom = _FOOT + sizes.tree
    # One system of axes for all panels: hundreds of them would take seconds.
    axes = figure.add_axes(_box(sizes, sizes.left, bottom, *sizes.panels))
    colours = LinearSegmentedColormap.from_list("contrast", [_LESS, _NONE, _MORE])
    for row in range(groups):
        for column in range(maps):
            painted = axes.imshow(
                layer.contrasts[row, column],
                cmap=colours,
                vmin=-scale.limit,
                vmax=scale.limit,
                interpolation="nearest",
                aspect="auto",
                extent=(column + _GAP, column + 1 - _GAP, row + 1 - _GAP, row + _GAP),
            )
    axes.set_xlim(0, maps)
    axes.set_ylim(groups, 0)
    axes.set_facecolor("0.8")
    axes.spines[:].set_visible(False)
    axes.set_yticks([])
    turned = 90 if sizes.panel[0] < _TWO_LINES else 0
    axes.set_xticks([column + 0.5 for column in range(maps)], [str(one) for one in layer.channels], rotation=turned)
    axes.tick_params(labelsize=7.5, length=0, pad=2, top=True, labeltop=True, bottom=False, labelbottom=False)
    _write(figure, sizes, sizes.left - 0.1, bottom + sizes.panels[1] + 0.1, "feature map", size=7.5, right=True)
    for row, group in enumerate(head.groups):
        middle = bottom + sizes.panels[1] - sizes.panel[1] * (row + 0.5)
        counted = f"{_count(group.films, 'film')}, {_count(group.patients, 'patient')}"
        apart = 0.08 if sizes.panel[1] >= _TWO_LINES else 0.0
        for text in (
            _write(figure, sizes, sizes.left - 0.1, middle + apart, group.name, size=9, bold=True, right=True),
            *([_write(figure, sizes, sizes.left - 0.1, middle - 0.09, counted, size=7.5, right=True)] if apart else []),
        ):
            _fit(text, sizes.left - 0.1 - _EDGE)
    return painted


def _legend(figure: Figure, sizes: _Sizes, painted: AxesImage, layer: ProfileLayer, scale: Scale) -> None:
    bar = figure.add_axes(_box(sizes, sizes.left + sizes.panels[0] + 0.15, _FOOT + sizes.tree, 0.18, sizes.panels[1]))
    legend = figure.colorbar(painted, cax=bar, extend="both" if scale.clipped else "neither", extendfrac=0.03)
    legend.formatter.set_powerlimits((-2, 3))  # type: ignore[attr-defined]  # the default one has it
    legend.ax.tick_params(labelsize=7.5, length=2, pad=2)
    legend.ax.yaxis.get_offset_text().set_fontsize(7.5)
    if sizes.panels[1] > _LABELLED:
        legend.set_label("less  ←  contrast  →  more" if layer.contrasts.any() else "zero everywhere", fontsize=8)


def _title(figure: Figure, sizes: _Sizes, head: ProfileHead, layer: ProfileLayer) -> None:
    facts = layer.facts
    first = f"{layer.facts.name}  ·  {head.model.name}, version {head.model.version}  ·  profile {head.name}"
    shown = f"the {len(layer.channels)} strongest of " if len(layer.channels) < facts.channels else ""
    second = [
        f"{shown}{_count(facts.channels, 'feature map')}, {facts.height} x {facts.width} px",
        f"groups: {head.grouping}",
        f"data: {head.data}, {head.split}",
        *([f"aligned by {head.alignment}"] if head.alignment != "none" else []),
    ]
    third = [
        f"constant on every film: {_share(facts.constant, facts.channels)}",
        f"without variance over films: {_share(facts.unvarying, facts.channels)}",
    ]
    fourth = "contrast: mean activation of a group minus the mean over groups; orange more, blue less, one scale"
    for place, words in enumerate((first, "  ·  ".join(second), "  ·  ".join(third), fourth)):
        height = sizes.height - 0.28 - 0.23 * place
        text = _write(figure, sizes, _EDGE, height, words, size=9 if place else 11.5, bold=not place)
        _fit(text, sizes.width - 2 * _EDGE)


def _write(
    figure: Figure,
    sizes: _Sizes,
    x: float,
    y: float,
    words: str,
    *,
    size: float,
    bold: bool = False,
    right: bool = False,
) -> Text:
    return figure.text(
        x / sizes.width,
        y / sizes.height,
        words,
        fontsize=size,
        fontweight="bold" if bold else "normal",
        color="0.0" if bold else "0.25",
        ha="right" if right else "left",
        va="center",
        parse_math=False,  # names are anybody's: a dollar sign is one
    )


def _fit(text: Text, inches: float) -> None:
    """Write it smaller rather than cut it off."""
    wide = text.get_window_extent().width / _DPI
    # Glyphs are not as wide as their size says: a little room is left.
    text.set_fontsize(float(text.get_fontsize()) * min(1.0, 0.97 * inches / max(wide, 1e-6)))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _share(number: int, of: int) -> str:
    return f"{number} of {of} ({number / max(of, 1):.1%})"
