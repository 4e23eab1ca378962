"""Sections on where maps point: at disease that was marked, and at the lungs."""

from __future__ import annotations

from ...report.document import Item, Section, Table
from ...report.numbers import ABSENT, NOT_ESTIMABLE, signed
from ...statistics.score import Score
from ..marks import MARKS, MARKS_CONTEXT, MARKS_SOURCE
from ..result import AgainstAverage, AuditResult
from .value_sections import too_few, values_table
from .wording import Words, measured, plain

__all__ = ["localisation", "lungs"]

_ABOVE, _BELOW = "▲", "▼"

_AREA = "_area"
"""Ends the name of the share of the area that belongs to a share of the evidence."""


def localisation(result: AuditResult, words: Words) -> Section | None:
    """Return localisation numbers beside what knows no film; None where none was measured."""
    if not result.against_average:
        return None
    items: list[Item] = []
    for key in dict.fromkeys((one.quantity, one.scope) for one in result.against_average):
        own = [one for one in result.against_average if (one.quantity, one.scope) == key]
        items += _beside(result, words, own)
    items.append(
        Table(
            "Published marks: AUPRC on pneumonia films of the RSNA challenge",
            ("what", "AUPRC"),
            tuple((mark.name, f"{mark.auprc:g}") for mark in MARKS),
            f"{MARKS_SOURCE}. {MARKS_CONTEXT}",
        )
    )
    return Section(
        "Localisation: do the maps point at the disease that was marked?",
        (
            "Boxes that mean disease (not anatomy), on films with that label. Every number stands beside two that know "
            "nothing of the film: the average mask of the training films (where disease mostly is), and what a map "
            "without knowledge gets by chance. A map that does not beat the average mask does not show that the "
            "network found the lesion on this film.",
            "All films, and true positives alone: of a label that a network does not say, its map cannot be expected "
            "to point at the disease. Boxes are drawn by readers and are coarse; a map may be right outside them.",
        ),
        tuple(items),
    )


def _beside(result: AuditResult, words: Words, own: list[AgainstAverage]) -> tuple[Item, ...]:
    """Return networks x methods with what knows no film beside them, and (folded) every difference."""
    first = own[0]
    title = words.directed(first.quantity, first.scope) + _films(first.scope)
    if all(one.map is None for one in own):
        return (too_few(title, own, result, words.quantities[first.quantity].description),)
    methods = [name for name in result.methods if any(one.method == name for one in own)]
    found = {(one.network, one.method): one for one in own}
    matrix = []
    for network in result.networks:
        fullest = max((one for one in own if one.network == network), key=lambda one: one.films, default=None)
        if fullest is None:
            continue
        cells = [_marked(found.get((network, method))) for method in methods]
        beside = (_known(fullest.average_mask, fullest.map), _known(fullest.chance, fullest.map))
        matrix.append((network, *cells, *beside, f"{fullest.films} / {fullest.patients}"))
    told = [one.difference for one in own if one.difference is not None]
    above = sum(_sign(one) > 0 for one in told)
    below = sum(_sign(one) < 0 for one in told)
    details = tuple(
        (
            one.network,
            words.method(one.method),
            f"{one.films} / {one.patients}",
            measured(one.map),
            _known(one.average_mask, one.map),
            NOT_ESTIMABLE if one.map is None else ABSENT if one.difference is None else signed(one.difference),
            _known(one.chance, one.map),
        )
        for one in own
    )
    return (
        Table(
            title,
            ("network", *map(words.method, methods), "average mask", "by chance", "films / patients"),
            tuple(matrix),
            f"{words.quantities[first.quantity].description} {_ABOVE}: better than the average mask on the same films, "
            "with "
            f"the whole interval of the difference ({above} of {len(told)}); {_BELOW}: worse ({below}). Not corrected "
            "for "
            "their number. Average mask and chance: on the films of the method that has most.",
        ),
        Table(
            f"{words.title(first.quantity, first.scope)}{_films(first.scope)}: each map minus the average mask",
            ("network", "method", "films / patients", "map", "average mask", "map minus average mask", "by chance"),
            details,
            folded=True,
        ),
    )


def _marked(one: AgainstAverage | None) -> str:
    if one is None:
        return ABSENT
    if one.map is None:
        return f"{NOT_ESTIMABLE} ({one.films} / {one.patients})"
    mark = {1: f" {_ABOVE}", -1: f" {_BELOW}", 0: ""}[_sign(one.difference)]
    return measured(one.map) + mark


def _sign(difference: Score | None) -> int:
    """Return on which side of 0 the whole interval lies; 0: on both."""
    if difference is None or difference.low is None or difference.high is None:
        return 0
    return int(difference.low > 0) - int(difference.high < 0)


def _films(scope: str) -> str:
    return ", all films" if scope == "all" else ""


def _known(score: Score | None, beside: Score | None) -> str:
    if beside is None:
        return NOT_ESTIMABLE
    return ABSENT if score is None else measured(score)


def lungs(result: AuditResult, words: Words) -> Section | None:
    """Return what lies outside the lungs, source by source; None where nothing was measured."""
    items: list[Item] = []
    for scope in (one for one in result.scopes if one.name.startswith("source ")):
        for quantity in (one for one in words.quantities.values() if one.family == "lungs"):
            if quantity.name.endswith(_AREA):
                continue
            note = _evenly(result, quantity.name + _AREA, scope.name)
            items += values_table(result, words, quantity, scope.name, note)
    if not items:
        return None
    return Section(
        "Lungs: how much of the evidence lies outside?",
        (
            "On films with a mask of the lungs, inside the area that the mask covers. Sources are never put together: "
            "their masks were drawn by different rules (some count the area behind the heart as lung, some do not), so "
            "the same map has other numbers. Kinds of masks are kept apart for the same reason.",
            "Evidence outside the lungs is no proof of a shortcut (a tube, the heart and the mediastinum are medicine "
            "too), and evidence inside is no proof of none. Compare it to the share of the film that is outside: a map "
            "that knows nothing has as much.",
        ),
        tuple(items),
    )


def _evenly(result: AuditResult, quantity: str, scope: str) -> str:
    """Say what evidence spread evenly would have."""
    own = [
        one.score.value
        for one in result.summaries
        if (one.quantity, one.scope, one.label) == (quantity, scope, None) and one.score is not None
    ]
    there = [value for value in own if value is not None]
    if not there:
        return ""
    low, high = plain(min(there)), plain(max(there))
    return f"Evidence spread evenly would have {low if low == high else f'{low} to {high}'}."
