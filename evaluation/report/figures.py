"""The drawings of a report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing

from ..result import EvaluationResult
from ..statistics.predictors import MAJORITY, MEAN
from ..statistics.score import Score
from .document import NOT_AUDITED, Figure
from .numbers import with_interval

__all__ = ["auroc_figure", "drawing", "precision_recall_figure", "reliability_figure"]

_NETWORK, _ENSEMBLE, _BASELINE = "#3b6ea8", "#12355b", "#d1600f"
_LINES = ("#7aa6d6", "#5aa17f", "#a98bc9", "#c9a24b", "#8a8f98", "#5fb5bf", "#c77f9a", "#93a13f")
_SETTINGS: Any = {
    "svg.hashsalt": "radiolucent",  # the same drawing, the same bytes
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name may hold a dollar
    "font.size": 10.5,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_WIDTH = 5.0


@contextmanager
def drawing(height: float, width: float = _WIDTH) -> Iterator[tuple[Any, list[str]]]:
    """Yield axes, of a size in inches, and a list that receives the drawing (SVG) when they are done."""
    with mpl.rc_context(_SETTINGS):
        drawn = Drawing(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(drawn)
        svg: list[str] = []
        yield drawn.subplots(), svg
        text = StringIO()
        drawn.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        svg.append(text.getvalue())


def auroc_figure(result: EvaluationResult, label: str) -> Figure:
    """Draw the AUROC of every predictor and every baseline of a label, with intervals."""
    comparison = result.pooled(label)
    rows: list[tuple[str, Score, str, str]] = []
    for item in result.predictors:
        colour = _NETWORK if item.kind == "network" else _ENSEMBLE
        rows.append((item.name, item.metrics[f"auroc {label}"], colour, "o"))
    baselines = comparison.baselines if comparison is not None else {}
    rows += [(name, score, _BASELINE, "D") for name, score in baselines.items()]
    with drawing(0.9 + 0.3 * (len(rows) + (not baselines))) as (axes, svg):
        for place, (_, score, colour, marker) in enumerate(rows):
            if score.low is not None and score.high is not None:
                axes.plot([score.low, score.high], [place, place], color=colour, linewidth=2.2)
            if score.value is not None:
                axes.plot(score.value, place, marker, color=colour, markersize=6.5)
        names = [name for name, *_ in rows]
        if not baselines:
            names.append(NOT_AUDITED)
        axes.set_yticks(range(len(names)), names)
        for tick, colour in zip(axes.get_yticklabels(), [row[2] for row in rows] or [], strict=False):
            tick.set_color(colour)
        axes.axhline(len(result.predictors) - 0.5, color="#888888", linewidth=0.8)
        axes.axvline(0.5, color="#888888", linewidth=0.8, linestyle="--")
        lows = [value for _, score, *_ in rows for value in (score.low, score.value) if value is not None]
        axes.set_xlim(min(0.45, *lows, 0.45) - 0.02, 1.02)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel("AUROC, 95 % interval (0.5: chance)")
        axes.grid(axis="x", color="#e4e4e4", linewidth=0.7)
        axes.set_axisbelow(True)
    alt = "; ".join(f"{name} {with_interval(score)}" for name, score, *_ in rows)
    return Figure(f"{label}: AUROC of networks (blue) and of what knows no medicine (orange)", svg[0], alt)


def reliability_figure(result: EvaluationResult, label: str) -> Figure:
    """Draw the reliability curves of a label."""
    with drawing(4.4) as (axes, svg):
        axes.plot([0, 1], [0, 1], color="#888888", linewidth=0.8, linestyle="--")
        for item, style in _styled([r for r in result.reliability if r.label == label]):
            axes.plot([p.probability for p in item.points], [p.positive for p in item.points], ".-", **style)
        _square(axes, "probability (mean of the bin)", "share of films with the label")
    errors = [
        f"{item.name} ECE {with_interval(item.metrics.get(f'ece {label}'))}"
        for item in result.predictors
        if item.name != MAJORITY
    ]
    return Figure(f"{label}: do probabilities mean what they say?", svg[0], "; ".join(errors))


def precision_recall_figure(result: EvaluationResult, label: str) -> Figure:
    """Draw the precision-recall curves of a label."""
    films = next(item for item in result.labels if item.label == label)
    total = films.positive.films + films.negative.films
    with drawing(4.4) as (axes, svg):
        if total:
            axes.axhline(films.positive.films / total, color="#888888", linewidth=0.8, linestyle="--")
        curves = [c for c in result.precision_recall if c.label == label and c.predictor != MAJORITY]
        for item, style in _styled(curves):
            axes.plot(item.recall, item.precision, drawstyle="steps-post", **style)
        _square(axes, "recall", "precision")
    areas = [f"{item.name} AUPRC {with_interval(item.metrics.get(f'auprc {label}'))}" for item in result.predictors]
    return Figure(f"{label}: precision and recall", svg[0], "; ".join(areas))


def _styled(curves: list[Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    for number, item in enumerate(curves):
        if item.predictor == MEAN:
            yield item, {"label": MEAN, "color": _ENSEMBLE, "linewidth": 2.4, "zorder": 3}
        else:
            yield item, {"label": item.predictor, "color": _LINES[number % len(_LINES)], "linewidth": 1.2}


def _square(axes: Any, x: str, y: str) -> None:  # noqa: ANN401  - matplotlib's axes
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color="#e4e4e4", linewidth=0.7)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, loc="best")
