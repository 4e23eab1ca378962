"""Sections with the means of each quantity, family by family."""

from __future__ import annotations

from collections.abc import Sequence

from ...report.document import Item, Section, Table
from ...report.numbers import ABSENT, NOT_ESTIMABLE
from ..ranking import can_rank
from ..result import AgainstAverage, AuditResult, Summary
from ..tables import Family, Quantity
from .wording import Words, measured

__all__ = ["too_few", "values", "values_table"]

_FAMILIES: dict[Family, tuple[str, str]] = {
    "faithfulness": (
        "Faithfulness: do the marked places matter to the network?",
        "Pixels are taken away, or put back, in the order of the map, and the answer of the network is watched. Curves "
        "are compared to a random order on the same network and film, and other numbers are normalised, so that a "
        "network with larger outputs does not win by that. It tells whether the map is true to the network, not "
        "whether the network is right. X-rays with pixels taken away are unlike any X-ray, and that is a part of what "
        "is measured.",
    ),
    "robustness": (
        "Robustness: does the map stay the same when the film hardly changes?",
        "Noise that nobody sees is added, and the map is computed again. A map that changes much cannot be relied on "
        "in its details. A map that never changes may be blind to the film: an average mask is perfectly robust.",
    ),
    "complexity": (
        "Complexity: is the map easy to read?",
        "How much of a map sits in few pixels. A simple map is easy to look at; a diffuse disease has no simple map.",
    ),
    "completeness": (
        "Completeness: do the values add up to the answer?",
        "Some methods promise that the values of a map add up to what the network's answer changed by. This is how "
        "much of the change they miss. Methods that promise nothing are not here.",
    ),
    "randomisation": (
        "Randomisation: does the map depend on what the network has learnt? (not ranked)",
        "Weights are replaced by random ones, and the map is computed again. A map that stays the same shows edges of "
        "the film, not the network. It is reported and not ranked: beyond a plain failure, more change is not better.",
    ),
    "precision": (
        "Precision: are these the maps of float32? (not ranked)",
        "The networks computed in a lower precision, which is faster and rounds more. For some films the maps were "
        "computed in float32 too. Where the two are not alike, every number above is about a map that float32 would "
        "not give, and says little of the network and the method.",
    ),
    "cost": (
        "Cost (not ranked)",
        "What a map takes. A cheap map is no better explanation, and times depend on the machine.",
    ),
}
"""Families that are told in the same way; localisation and lungs have sections of their own."""


def values(result: AuditResult, words: Words) -> tuple[Section, ...]:
    """Return the sections of all families that were measured."""
    found = []
    for family, (title, text) in _FAMILIES.items():
        own = [one for one in words.quantities.values() if one.family == family]
        items = [
            item
            for quantity in own
            for item in values_table(result, words, quantity, "all", folded=not _leads(quantity, own))
        ]
        if items:
            found.append(Section(title, (text,), tuple(items)))
    return tuple(found)


def _leads(quantity: Quantity, family: Sequence[Quantity]) -> bool:
    """Tell whether a number is what its measure is about; the others, such as a curve's own area, are behind it."""
    of_measure = [one for one in family if one.name.partition(".")[0] == quantity.name.partition(".")[0]]
    return can_rank(quantity) or quantity is of_measure[0]


def values_table(
    result: AuditResult, words: Words, quantity: Quantity, scope: str, note: str = "", folded: bool = False
) -> tuple[Item, ...]:
    """Return the means of a quantity, networks x methods: over all labels, then (folded) label by label.

    Parameters
    ----------
    result : AuditResult
        What was found.
    words : Words
        Titles.
    quantity : Quantity
        Which one.
    scope : str
        Over which films.
    note : str
        What else to say below.
    folded : bool
        Whether it is a detail of another quantity; it is not told label by label.
    """
    own = [one for one in result.summaries if one.quantity == quantity.name and one.scope == scope]
    together = [one for one in own if one.label is None]
    if not together:
        return ()
    title = words.directed(quantity.name, scope)
    if all(one.score is None for one in own):
        return (too_few(title, together, result, f"{quantity.description} {note}"),)
    labels = list(dict.fromkeys(one.label for one in own if one.label is not None))
    items: list[Item] = [_table(title, together, result, words, f"{quantity.description} {note}", folded)]
    items += [
        _table(
            f"{words.title(quantity.name, scope)}: {label} alone",
            [one for one in own if one.label == label],
            result,
            words,
            "",
            True,
        )
        for label in (labels if not folded else ())
    ]
    return tuple(items)


def _table(
    title: str, own: Sequence[Summary], result: AuditResult, words: Words, description: str, folded: bool
) -> Table:
    there = {one.method for one in own}
    methods = [method for method in result.methods if method in there]
    found = {(one.network, one.method): one for one in own}
    rows = tuple((network, *(_cell(found.get((network, method))) for method in methods)) for network in result.networks)
    counts = sorted({(one.films, one.patients) for one in own})
    fewest, most = counts[0], counts[-1]
    films = f"{most[0]} films of {most[1]} patients"
    if fewest != most:
        films = f"{fewest[0]} to {most[0]} films of {fewest[1]} to {most[1]} patients"
    return Table(
        title,
        ("network", *(words.method(method) for method in methods)),
        rows,
        f"{description.strip()} {films[0].upper()}{films[1:]}.".strip(),
        folded=folded,
    )


def too_few(title: str, own: Sequence[Summary | AgainstAverage], result: AuditResult, description: str) -> Table:
    """Say in one row that nothing can be estimated."""
    films, patients = max((one.films, one.patients) for one in own)
    fewest = result.settings.minimum_patients
    return Table(
        title,
        ("all networks and methods", "films", "patients"),
        ((NOT_ESTIMABLE, str(films), str(patients)),),
        f"{description.strip()} Fewer than {fewest} patients.",
    )


def _cell(one: Summary | None) -> str:
    if one is None:
        return ABSENT
    if one.score is None:
        return f"{NOT_ESTIMABLE} ({one.films} / {one.patients})"
    return measured(one.score)
