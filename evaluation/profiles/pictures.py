"""Drawings as SVG and PNG."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO, StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

__all__ = ["settings", "to_png", "to_svg"]

_SETTINGS: Any = {
    "svg.hashsalt": "radiolucent",  # the same drawing, the same bytes
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name may hold a dollar
    "font.size": 10,
    "font.family": "sans-serif",
}
_DPI = 110


@contextmanager
def settings() -> Iterator[None]:
    """Draw the same everywhere: to be entered before a drawing is made and until it is written."""
    with mpl.rc_context(_SETTINGS):
        yield


def to_svg(drawing: Figure) -> str:
    """Return a drawing as SVG; planes of values become one small PNG inside it, of their own resolution."""
    FigureCanvasSVG(drawing)
    text = StringIO()
    drawing.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def to_png(drawing: Figure) -> bytes:
    """Return a drawing as PNG."""
    FigureCanvasAgg(drawing)
    content = BytesIO()
    drawing.savefig(content, format="png", dpi=_DPI)
    return content.getvalue()
