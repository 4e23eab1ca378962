"""What the best network says wrongly on the audited films: labels that it misses, and labels too many."""

from __future__ import annotations

from ...report.document import Item, Section, Table
from ..tables import AuditedFilm, AuditHead
from .choosing import Case, answered, best_network, failures_of, false_alarms_of

__all__ = ["mistakes"]

_MOST = 12
"""Rows of a table."""


def mistakes(head: AuditHead) -> Section | None:
    """Return both as tables; None where no card has a score."""
    best = best_network(head)
    if best is None:
        return None
    missed, alarms = failures_of(head, best), false_alarms_of(head, best)
    total = len(answered(head, best))
    items: list[Item] = []
    if missed:
        rows = tuple(_row(head, best, case) for case in missed[:_MOST])
        items.append(Table("True labels that it misses", _header(best, "missed"), rows, _note(missed, "lowest")))
    if alarms:
        rows = tuple(_row(head, best, case) for case in alarms[:_MOST])
        note = f"{_note(alarms, 'highest')} There are no maps of these: true labels alone were explained."
        items.append(Table("False alarms: labels that it says too many", _header(best, "said"), rows, note.strip()))
    return Section(
        f"What the best network says wrongly ({best})",
        (
            f"By its card's micro-F1 {best} is the best network. Here it misses {len(missed)} of the {total} true "
            f"labels that were explained, and says {len(alarms)} labels that are known to be false.",
        ),
        tuple(items),
    )


def _header(best: str, what: str) -> tuple[str, ...]:
    return ("film", "source", "true labels", f"label {what}", f"probability by {best}", "networks that say it")


def _row(head: AuditHead, best: str, case: Case) -> tuple[str, ...]:
    film, label = case
    probability = film.probabilities.get(best, {}).get(label)
    asked = [network for network in head.networks if network in film.called]
    saying = sum(label in film.called[network] for network in asked)
    return (
        film.file,
        film.source,
        _true(film),
        label,
        "–" if probability is None else f"{probability:.2f}",
        f"{saying} of {len(asked)}",
    )


def _true(film: AuditedFilm) -> str:
    return ", ".join(label for label, true in film.known.items() if true)


def _note(cases: tuple[Case, ...], end: str) -> str:
    if len(cases) <= _MOST:
        return ""
    return f"The {_MOST} of the {end} probability of {len(cases)}; the others are in tables/audit.json."
