"""A heatmap over the X-ray that the network saw, as a picture with a legend.

Colours are safe for the common colour blindnesses: orange for, blue against (signed maps), and one ramp of rising
lightness (unsigned ones). They fade to nothing at zero, so that where a method says nothing the X-ray is left alone.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .aggregates import AggregateOrigin, Agreement, Evidence
from .events import MISSED_SHARE, ExplainedOutput, Heatmap
from .precision import Precision
from .results import Sign

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.text import Text
    from numpy.typing import NDArray

__all__ = ["Scale", "colours", "paint", "render", "scale_of"]

CLIP_PERCENTILE = 99.5
"""Values beyond this percentile of the magnitudes share the last colour: one hot pixel shall not hide the rest."""

_SHADES = 256
_FOR = ((0.99, 0.82, 0.45), (0.90, 0.45, 0.00))
_AGAINST = ((0.62, 0.82, 0.98), (0.05, 0.32, 0.75))
_STRONGEST = 0.75
_LEGEND_GREY = "0.35"
_DPI = 150
_PLAIN_EXPONENTS = (-2, 3)
"""Powers of ten of a legend that are written out."""
_LARGEST_COUNT = 1e6
"""Whole numbers below are written out."""


@dataclass(frozen=True)
class Scale:
    """What the colours of a picture span.

    Parameters
    ----------
    limit : float
        Magnitude of the last colour; above 0.
    signed : bool
        From ``-limit`` to ``limit``, or from 0.
    clipped : bool
        Whether values lie beyond.
    """

    limit: float
    signed: bool
    clipped: bool


def scale_of(values: NDArray[np.float32], sign: Sign) -> Scale:
    """Choose the scale for a map.

    Parameters
    ----------
    values : ndarray of float32, shape (height, width)
        Finite values.
    sign : Sign
        What the method says of them; where it says nothing, they say it themselves.

    Returns
    -------
    Scale
        Symmetric about zero where signed, so that zero has no colour and equal colours are equal amounts.
    """
    magnitudes = np.abs(values)
    largest = float(magnitudes.max(initial=0.0))
    signed = sign is Sign.SIGNED or (sign is Sign.UNSPECIFIED and bool((values < 0).any()))
    limit = float(np.percentile(magnitudes, CLIP_PERCENTILE)) if values.size else 0.0
    # A map of a few pixels has a percentile of zero.
    limit = limit if limit > 0 else largest
    return Scale(limit=limit or 1.0, signed=signed, clipped=largest > limit > 0)


def paint(axes: Axes, background: NDArray[np.float32], values: NDArray[np.float32], scale: Scale) -> AxesImage:
    """Paint an X-ray and a map over it, into axes of the caller's figure.

    Parameters
    ----------
    axes : Axes
        Where.
    background : ndarray of float32, shape (channels, height, width)
        The tensor that the network saw.
    values : ndarray of float32, shape (height, width)
        The map.
    scale : Scale
        What the colours span; see `scale_of`.

    Returns
    -------
    AxesImage
        The painted map, for a colour bar.
    """
    axes.imshow(_grey(background), cmap="gray", vmin=0.0, vmax=1.0, interpolation="bicubic", aspect="auto")
    return axes.imshow(
        values,
        cmap=colours(scale),
        vmin=-scale.limit if scale.signed else 0.0,
        vmax=scale.limit,
        # Small maps are drawn pixel by pixel: smoothing would show more than was computed.
        interpolation="nearest",
        aspect="auto",
        extent=(-0.5, background.shape[2] - 0.5, background.shape[1] - 0.5, -0.5),
    )


def render(heatmap: Heatmap, background: NDArray[np.float32], *, unlike: bool = False) -> bytes:
    """Draw a heatmap over its X-ray.

    Parameters
    ----------
    heatmap : Heatmap
        Partial or final; the title marks a partial one.
    background : ndarray of float32, shape (channels, height, width)
        The tensor that the network saw: what was explained, whatever file it came from.
    unlike : bool
        Write a warning across it that the X-ray is unlike the training data.

    Returns
    -------
    bytes
        A PNG file.
    """
    # The object interface: no global state, so that threads may draw at the same time and no display is asked for.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = heatmap.values.shape
    # A share has the same colours in every picture.
    shares = heatmap.aggregate is not None and isinstance(heatmap.aggregate.aggregation, Agreement)
    scale = Scale(1.0, signed=False, clipped=False) if shares else scale_of(heatmap.values, heatmap.sign)
    outside = heatmap.outside_lungs
    bottom = 0.45 if outside is None else 0.7
    figure = Figure(figsize=(6.4, 0.95 + bottom + 5.2 * min(height / width, 1.6)), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes(_inches(figure, left=0.15, bottom=bottom, width=5.2, height=5.2 * min(height / width, 1.6)))
    axes.set_axis_off()
    painted = paint(axes, background, heatmap.values, scale)
    if not heatmap.final:
        _mark(axes, 0.98, f"PARTIAL: {heatmap.fraction:.0%} of the work")
    if unlike:
        _mark(axes, 0.02, "UNLIKE THE TRAINING DATA: do not rely on the votes")
    _legend(figure, axes, painted, heatmap, scale)
    _title(figure, heatmap)
    figure.text(
        0.15 / figure.get_figwidth(), 0.15 / figure.get_figheight(), heatmap.intended_use, fontsize=9, color="0.25"
    )
    if outside is not None:
        _fit(
            figure,
            figure.text(0.15 / figure.get_figwidth(), 0.4 / figure.get_figheight(), outside.sentence, fontsize=9),
        )
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": "radiolucent"})
    return file.getvalue()


def _mark(axes: Axes, height: float, text: str) -> None:
    axes.text(
        *(0.02, height),
        text,
        transform=axes.transAxes,
        fontsize=10,
        fontweight="bold",
        color="white",
        va="top" if height > 0.5 else "bottom",
        bbox={"facecolor": "#a00000", "edgecolor": "none", "pad": 4},
    )


def _inches(
    figure: Figure, *, left: float, bottom: float, width: float, height: float
) -> tuple[float, float, float, float]:
    wide, high = figure.get_figwidth(), figure.get_figheight()
    return left / wide, bottom / high, width / wide, height / high


def _grey(background: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring a normalised tensor back to what the eye can see, 0 to 1."""
    plane = background.mean(axis=0)
    low, high = float(plane.min()), float(plane.max())
    return (plane - low) / (high - low) if high > low else np.zeros_like(plane)


def colours(scale: Scale) -> ListedColormap:
    """Return the colours of a map, see-through where it says nothing.

    Parameters
    ----------
    scale : Scale
        Signed: from blue (against) to orange (for); else one ramp of rising lightness.
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    amount = np.linspace(0.0, 1.0, _SHADES // 2 if scale.signed else _SHADES)
    # Steeper than linear, so that weak values are seen, yet none at zero.
    opacity = (_STRONGEST * amount**0.6)[:, None]
    if not scale.signed:
        return ListedColormap(np.hstack([colormaps["viridis"](0.25 + 0.75 * amount)[:, :3], opacity]))
    sides = [
        np.hstack([np.outer(1 - amount, weak) + np.outer(amount, strong), opacity]) for weak, strong in (_AGAINST, _FOR)
    ]
    return ListedColormap(np.vstack([sides[0][::-1], sides[1]]))


def _legend(figure: Figure, axes: Axes, painted: object, heatmap: Heatmap, scale: Scale) -> None:
    from matplotlib.ticker import FuncFormatter

    left, bottom, width, height = axes.get_position().bounds
    inch_x, inch_y = 1 / figure.get_figwidth(), 1 / figure.get_figheight()
    ramp = figure.add_axes((left + width + 0.12 * inch_x, bottom + 0.25 * inch_y, 0.18 * inch_x, height - 0.5 * inch_y))
    # The colours are see-through: the grey behind them is what an X-ray is on average.
    ramp.set_facecolor(_LEGEND_GREY)
    extend = "neither" if not scale.clipped else "both" if scale.signed else "max"
    bar = figure.colorbar(painted, cax=ramp, extend=extend, extendfrac=0.03)  # type: ignore[arg-type]
    bar.ax.tick_params(labelsize=8, length=2, pad=2)
    exponent = math.floor(math.log10(scale.limit))
    unit = ""
    if not _PLAIN_EXPONENTS[0] <= exponent <= _PLAIN_EXPONENTS[1]:
        bar.formatter = FuncFormatter(lambda value, _: f"{value / 10.0**exponent:.4g}")
        unit = rf"   ($\times\,10^{{{exponent}}}$)"
    bar.set_label(_meaning(heatmap, scale) + unit, fontsize=8.5, labelpad=3)


def _meaning(heatmap: Heatmap, scale: Scale) -> str:
    output = "model output" if heatmap.output is ExplainedOutput.UNSPECIFIED else heatmap.output.value
    if heatmap.aggregate is not None:
        return _meaning_of_aggregate(heatmap.aggregate, scale)
    if not np.any(heatmap.values):
        return f"attribution to the {output}: zero everywhere"
    if scale.signed:
        return f"against  ←  attribution to the {output}  →  for"
    return f"attribution to the {output} (size only)"


def _meaning_of_aggregate(origin: AggregateOrigin, scale: Scale) -> str:
    if isinstance(origin.aggregation, Agreement):
        where = "against" if origin.aggregation.evidence is Evidence.AGAINST else "for"
        return f"share of the networks with strong evidence {where} the label"
    unit = "mean of the networks, 1: each one's 99th percentile"
    return f"against  ←  {unit}  →  for" if scale.signed else f"{unit} (size only)"


def _title(figure: Figure, heatmap: Heatmap) -> None:
    left = 0.15 / figure.get_figwidth()
    high = figure.get_figheight()
    first = f"{heatmap.label}  ·  {heatmap.model.name}, version {heatmap.model.version}"
    facts = [heatmap.method.replace("_", " ")]
    if heatmap.aggregate is not None:
        facts.append(heatmap.aggregate.words)
    elif heatmap.output is not ExplainedOutput.UNSPECIFIED:
        output = "share of votes" if heatmap.output is ExplainedOutput.VOTES else heatmap.output.value
        facts.append(f"{output} {heatmap.output_value:.3g}")
    if heatmap.precision is Precision.BFLOAT16:
        facts.append(f"in {heatmap.precision.value}")
    if heatmap.convergence_delta is not None:
        change = heatmap.facts.get("output_change")
        if change is not None and (heatmap.missed_share or 0) > MISSED_SHARE:
            facts.append(f"MISSES {heatmap.missed_share:.0%} OF THE CHANGE, {change:.2g}")
        else:
            facts.append(f"convergence delta {heatmap.convergence_delta:.2g}")
    if heatmap.verdict is not None:
        facts.append(heatmap.verdict.words)
    facts += [
        f"{name.replace('_', ' ')} {_shown(value)}" for name, value in heatmap.facts.items() if name != "output_change"
    ]
    title = figure.text(left, 1 - 0.32 / high, first, fontsize=11.5, fontweight="bold", va="center")
    subtitle = figure.text(left, 1 - 0.62 / high, "  ·  ".join(facts), fontsize=9.5, va="center", color="0.25")
    _fit(figure, title, subtitle)


def _shown(value: float) -> str:
    """Write a number short, and a count in full."""
    return f"{value:,.0f}" if value.is_integer() and abs(value) < _LARGEST_COUNT else f"{value:.3g}"


def _fit(figure: Figure, *texts: Text) -> None:
    """Write what is too long for the width smaller, never cut it off: names are anybody's."""
    # Glyphs are not as wide as their size says: a little room is left.
    room = 0.95 * (figure.bbox.width - 2 * 0.15 * figure.dpi)
    for text in texts:
        text.set_fontsize(float(text.get_fontsize()) * min(1.0, room / text.get_window_extent().width))
