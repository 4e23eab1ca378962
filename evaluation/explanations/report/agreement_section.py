"""The section on how alike maps are, and on being wrong."""

from __future__ import annotations

from ...report.document import Item, Section, Table
from ...report.numbers import ABSENT, NOT_ESTIMABLE, side, signed
from ..agreeing import MAJORITY
from ..result import AuditResult, Of
from .wording import Words, measured

__all__ = ["agreement"]

_QUANTITIES = {
    "spearman": "rank correlation (-1 to 1)",
    "top_overlap": "overlap of the strongest tenth (0 to 1)",
}
_BETWEEN: dict[Of, str] = {"networks": "networks, over methods", "methods": "methods, over networks"}


def agreement(result: AuditResult, words: Words) -> Section | None:
    """Return who agrees with whom; None where it was not measured."""
    if not result.agreeing:
        return None
    items: list[Item] = []
    for between, what in _BETWEEN.items():
        own = [one for one in result.agreeing if one.between == between]
        for quantity in dict.fromkeys(one.quantity for one in own):
            found = {frozenset((one.first, one.second)): one for one in own if one.quantity == quantity}
            names = [name for name in (result.networks if between == "networks" else result.methods)
                     if any(name in pair for pair in found)]
            rows = tuple(
                (
                    words.method(row),
                    *(
                        measured(found[frozenset((row, column))].score)
                        if frozenset((row, column)) in found
                        else ABSENT
                        for column in names
                    ),
                )
                for row in names
            )
            films = max((one.films, one.patients) for one in found.values())
            items.append(
                Table(
                    f"Between {what}: {_QUANTITIES.get(quantity, quantity)}",
                    (between[:-1], *map(words.method, names)),
                    rows,
                    f"Up to {films[0]} films of {films[1]} patients.",
                )
            )
    items += _wrong(result)
    return Section(
        "Agreement: do networks, and methods, point at the same places?",
        (
            "Two maps of the same film and label are compared pixel by pixel: by their ranks, and by how much of the "
            "strongest tenth they share. Two random maps have a rank correlation of 0 and share a nineteenth. Networks that "
            "agree may agree on a shortcut; methods that differ may each be true to another question.",
            "Is disagreement a sign of a wrong answer? The last tables compare films whose true label is said with those "
            "where it is missed. The two kinds of films differ in more than that (labels, sources), so a difference is a "
            "hint and no cause.",
        ),
        tuple(items),
    )


def _wrong(result: AuditResult) -> list[Item]:
    items: list[Item] = []
    for between in _BETWEEN:
        own = [one for one in result.being_wrong if one.between == between]
        rows = tuple(
            (
                "majority" if one.of == MAJORITY else one.of,
                _QUANTITIES.get(one.quantity, one.quantity),
                side(one.right),
                side(one.wrong),
                measured(one.agreement_right),
                measured(one.agreement_wrong),
                NOT_ESTIMABLE if one.difference is None else signed(one.difference),
            )
            for one in own
        )
        if rows:
            items.append(
                Table(
                    f"Agreement between {between}, and being wrong",
                    (
                        "whose answer",
                        "agreement by",
                        "label said, films / patients",
                        "label missed",
                        "agreement where said",
                        "where missed",
                        "missed minus said",
                    ),
                    rows,
                    "Below 0: maps agree less where the label is missed. "
                    + (
                        "Of a network: its agreement with the others, over methods."
                        if between == "networks"
                        else "Of a network: the agreement of its methods."
                    )
                    + f" Not estimable: fewer than {result.settings.minimum_patients} patients on a side.",
                )
            )
    return items
