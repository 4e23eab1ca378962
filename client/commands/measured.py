"""How what was measured of maps looks in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from ..events import Heatmap
from ..quality import Measurement

__all__ = ["measured_table", "outside_lines"]


def measured_table(maps: Sequence[Heatmap]) -> Table | None:
    """Lay out what was measured.

    Parameters
    ----------
    maps : sequence of Heatmap
        Final ones, in any order.

    Returns
    -------
    Table or None
        A row per map and measure; None where nothing was measured.
    """
    if not any(one.measurements for one in maps):
        return None
    table = Table(title="Measures of quality", caption=escape(maps[0].intended_use))
    for column in ("network", "label", "method", "measure", "numbers"):
        table.add_column(column)
    for one in maps:
        for measurement in one.measurements:
            cells = (str(one.model), one.label, one.method, measurement.measure, _numbers(measurement))
            table.add_row(*map(escape, cells))
    return table


def _numbers(measurement: Measurement) -> str:
    if measurement.refusal:
        return f"none: {measurement.refusal}"
    return "\n".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in measurement.values.items())


def outside_lines(maps: Sequence[Heatmap]) -> list[str]:
    """Say of each map how much lies outside the lungs, where that was asked for."""
    return [
        f"{one.model}, {one.label}, {one.method}{f', {one.aggregation}' if one.aggregation else ''}: "
        f"{one.outside_lungs.sentence}"
        for one in maps
        if one.outside_lungs is not None
    ]
