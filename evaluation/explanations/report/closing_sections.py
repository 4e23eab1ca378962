"""Sections on what was asked, what is missing, and how the numbers were made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ...report.document import Item, Section, Table
from ..affordable import in_words
from ..result import AuditResult
from ..tables import AuditedFilm, AuditHead
from .wording import share

__all__ = ["data", "made", "missing"]


def data(result: AuditResult, head: AuditHead) -> Section:
    """Return what was audited."""
    by_label = []
    for label in head.labels:
        own = [film for film in head.films if label.name in film.explained]
        by_label.append((label.name, str(len(own)), str(len({film.group for film in own})), _sources(own)))
    networks = tuple(
        (
            name,
            str(head.network_versions.get(name, "–")),
            f"{head.input_sizes[name]} px" if name in head.input_sizes else "–",
        )
        for name in head.networks
    )
    methods = tuple(
        (one.title, "signed" if one.signed else "unsigned", _parameters(one.parameters)) for one in head.methods
    )
    return Section(
        "What was audited",
        (
            f"{head.data}, {head.split} split (manifest {head.manifest_sha256[:12]}…): {result.films} X-rays of "
            f"{result.patients} patients, {result.pairs} pairs of a film and a true label. {head.chosen}",
            *((head.precision,) if head.precision else ()),
        ),
        (
            Table(
                "Explained labels",
                ("label", "films", "patients", "sources"),
                tuple(by_label),
                "Where labels come from different sources, a difference between labels may be one between sources.",
            ),
            Table("Networks", ("network", "version", "input"), networks),
            Table("Methods", ("method", "values", "parameters"), methods, prose=True),
        ),
    )


def _sources(films: Sequence[AuditedFilm]) -> str:
    counts = Counter(film.source for film in films)
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _parameters(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in parameters.items()) or "none"


def missing(result: AuditResult) -> Section | None:
    """Return what there is not; None where nothing is missing."""
    if not result.missing:
        return None
    rows = tuple(
        (one.what, one.network or "all", one.method or "all", str(one.films or "–"), str(one.items), one.reason)
        for one in result.missing
    )
    return Section(
        "What is missing",
        (
            "Maps that failed and measures that could not be made. Nothing stands in for them: they are left out of "
            "means, and of comparisons together with what they would have been compared to.",
        ),
        (Table("By reason", ("what", "network", "method", "films", "items", "reason"), rows, prose=True),),
    )


def _computed(head: AuditHead) -> dict[tuple[str, str], list[str]]:
    """Return the titles of the numbers by what computed them, with which parameters, and its source."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in head.quantities:
        how = one.variant + (f" ({_parameters(one.parameters)})" if one.parameters else "")
        found.setdefault((how, one.reference), []).append(one.title)
    return found


def made(result: AuditResult, head: AuditHead) -> Section:
    """Return how the numbers were made."""
    items: list[Item] = [
        Table(
            "What computed each number",
            ("numbers", "computed by", "source"),
            tuple((", ".join(titles), how, source) for (how, source), titles in _computed(head).items()),
            "What a number means stands below its table.",
            prose=True,
        )
    ]
    items.append(Table("Over which films", ("name", "films"), tuple((one.name, one.words) for one in result.scopes)))
    if head.worker_seconds:
        total = sum(head.worker_seconds.values())
        items.append(
            Table(
                "What the time went into",
                ("what", "seconds of workers", "share"),
                tuple(
                    (name, f"{seconds:,.1f}", share(seconds / total) if total else "–")
                    for name, seconds in sorted(head.worker_seconds.items(), key=lambda item: (-item[1], item[0]))
                ),
                f"Wall clock of all runs together: {head.seconds:,.0f} s.",
            )
        )
    settings = result.settings
    versions = ", ".join(f"{name} {version}" for name, version in sorted(head.versions.items()))
    ran = {one.name: one.parameters for one in head.methods}
    ran |= {one.name.partition(".")[0]: one.parameters for one in head.quantities}
    fewer = in_words(ran)
    return Section(
        "How the numbers were made",
        (
            f"Intervals: 95 %, percentiles of {settings.resamples} bootstrap resamples of patients with all their "
            "films "
            f"(seed {settings.seed}); the same resamples for every number, rank and difference. They hold for other "
            "patients "
            f"of the same sources, and say nothing of other hospitals or other trainings. Fewer than "
            f"{settings.minimum_patients} patients: not estimable.",
            "A film with two explained labels counts once for each. Means over labels mix labels as these films have "
            "them.",
            *(
                (
                    f"So that an audit ends within an hour or two, the dearest ran with fewer passes than elsewhere by "
                    f"default: {fewer}. More passes make smoother maps and steadier numbers.",
                )
                if fewer
                else ()
            ),
            *((f"Maps were measured with {versions}.",) if versions else ()),
            "Everything but the pictures comes from the stored tables, and from nothing else.",
        ),
        tuple(items),
    )
