"""A report as one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from .document import Figure, GridFigure, Report, ScoreTable, Table

__all__ = ["to_html"]


def to_html(report: Report) -> str:
    """Return the report as HTML, its drawings inside."""
    environment = Environment(
        loader=PackageLoader("radiolucent.evaluation.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["figure"] = lambda item: isinstance(item, Figure)
    environment.tests["grid"] = lambda item: isinstance(item, GridFigure)
    environment.tests["scores"] = lambda item: isinstance(item, ScoreTable)
    environment.filters["cell"] = _cell
    environment.filters["base64"] = lambda text: base64.b64encode(text.encode()).decode()
    environment.filters["short"] = lambda value: f"{value:.2f}"
    items = [item for section in report.sections for item in section.items]
    page = environment.get_template("report.html.jinja").render(
        report=report,
        grids=any(isinstance(item, GridFigure) for item in items),
        more=any(isinstance(item, Table) and (item.folded or item.prose) for item in items),
    )
    return page + "\n"


def _cell(text: str) -> Markup:
    """Put an interval under its number, so that tables are narrow."""
    split = re.fullmatch(r"(.*?[+-]?\d\.\d{3}) \((.+)\)(.*)", text)
    if split is None:
        return escape(text)
    value, interval, rest = (escape(part) for part in split.groups())
    return value + rest + Markup("<br><small>") + interval + Markup("</small>")
