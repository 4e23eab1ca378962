"""How a plan looks in a terminal, and as JSON."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from ..document import plain
from ..events import Classified, Item, ItemEstimate
from .durations import in_words

__all__ = ["plan_document", "plan_table", "plan_total"]


def plan_table(file: str, plan: Classified) -> Table:
    """Lay out what an explanation would cost.

    Parameters
    ----------
    file : str
        The X-ray's name.
    plan : Classified
        Of a dry run.

    Returns
    -------
    Table
        A row per item, in the order in which they would be started; the intended use below.
    """
    table = Table(
        title=f"{escape(file)}: plan, nothing was run",
        caption=escape(plan.classification.intended_use),
    )
    for column in ("network", "method", "labels"):
        table.add_column(column)
    for column in ("passes", "estimated time", "shared pass"):
        table.add_column(column, justify="right")
    for item, estimate in zip(plan.items, plan.estimates, strict=False):
        aggregation = f", {item.aggregation.word}" if item.aggregation is not None else ""
        table.add_row(
            escape(str(item.model)),
            escape(item.method + aggregation),
            escape(", ".join(item.labels)),
            _passes(item, estimate),
            in_words(estimate.elapsed_s),
            str(estimate.shared_pass or ""),
        )
    return table


def _passes(item: Item, estimate: ItemEstimate) -> str:
    if estimate.passes or item.aggregation is not None:
        return str(estimate.passes)
    return "shared" if estimate.shared_pass else "0"


def plan_total(plan: Classified) -> str:
    """Say in a sentence what all of it would take; empty where the server does not tell."""
    if plan.estimated_work_s is None:
        return ""
    total = f"Together about {in_words(plan.estimated_work_s)} of one worker"
    if plan.estimated_wait_s is None:
        return f"{total}."
    soon = "at once" if plan.estimated_wait_s < 0.05 else f"in about {in_words(plan.estimated_wait_s)}"
    return f"{total}; it would begin {soon}."


def plan_document(file: str, plan: Classified, **also: object) -> dict[str, Any]:
    """Say a plan in JSON values, under the names that ``result.json`` has.

    Parameters
    ----------
    file : str
        The X-ray's name.
    plan : Classified
        Of a dry run.
    also : object
        More to say, put at the end.

    Returns
    -------
    dict
        JSON values; numbers have their units in their names.
    """
    entry = plain(plan)
    for place in ("sequence", "time"):
        del entry[place]
    return {
        "intended_use": plan.classification.intended_use,
        "file": file,
        "dry_run": True,
        **entry,
        **{key: plain(value) for key, value in also.items()},
    }
