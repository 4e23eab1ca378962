"""The tables of a guard, for people."""

from __future__ import annotations

from ..report.numbers import with_interval
from .result import GuardResult

__all__ = ["guard_markdown"]


def guard_markdown(result: GuardResult) -> str:
    """Write how often the guard warns of films, and how well it tells what is none, as Markdown tables."""
    first, *by_source = result.alarms
    lines = [
        "| chest X-rays as they should be | films / patients | warned of | false alarm rate (95 % interval) | "
        "AUROC against other sources |",
        "|---|---|---|---|---|",
        *(
            f"| {alarms.source or 'all'} | {alarms.films} / {alarms.patients} | {alarms.warned} | "
            f"{with_interval(alarms.rate)} | {with_interval(alarms.auroc)} |"
            for alarms in (first, *by_source)
        ),
        "",
        "| | pictures | AUROC | false positive rate at 95 % true positives | warned of, at the guard's threshold |",
        "|---|---|---|---|---|",
        *(
            f"| {kind.kind} | {kind.pictures} | {with_interval(kind.auroc)} | {with_interval(kind.false_positives)} | "
            f"{with_interval(kind.warned)} |"
            for kind in result.kinds
        ),
    ]
    return "\n".join(lines) + "\n"
