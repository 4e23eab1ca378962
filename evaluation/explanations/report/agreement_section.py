"""The section on how alike maps are, and on being wrong."""

from __future__ import annotations

from ...report.document import Item, Section, Table
from ...report.numbers import ABSENT, NOT_ESTIMABLE, number, side, signed
from ..disagreement import LEAST_FILMS
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
            names = [
                name
                for name in (result.networks if between == "networks" else result.methods)
                if any(name in pair for pair in found)
            ]
            rows = tuple(
                (
                    words.who(row),
                    *(
                        measured(found[frozenset((row, column))].score) if frozenset((row, column)) in found else ABSENT
                        for column in names
                    ),
                )
                for row in names
            )
            films = max((one.films, one.patients) for one in found.values())
            items.append(
                Table(
                    f"Between {what}: {_QUANTITIES.get(quantity, quantity)}",
                    (between[:-1], *map(words.who, names)),
                    rows,
                    f"Up to {films[0]} films of {films[1]} patients.",
                )
            )
    items += _wrong(result)
    return Section(
        "Agreement: do networks, and methods, point at the same places?",
        (
            "Two maps of the same film and label are compared pixel by pixel: by their ranks, and by how much of the "
            "strongest tenth they share. Two random maps have a rank correlation of 0 and share a nineteenth. Networks "
            "that agree may agree on a shortcut; methods that differ may each be true to another question.",
            "Is disagreement a sign of a wrong answer? The last tables compare films with a right answer to those with "
            "a wrong one. The two kinds of films differ in more than that (labels, sources), so a difference is a "
            "hint and no cause.",
        ),
        tuple(items),
    )


def _wrong(result: AuditResult) -> list[Item]:
    items: list[Item] = []
    if result.disagreement:
        rows = tuple(
            (
                one.label,
                one.predictor,
                _QUANTITIES.get(one.quantity, one.quantity),
                str(one.films),
                str(one.wrong),
                number(one.agreement_right),
                number(one.agreement_wrong),
                (one.not_estimable and NOT_ESTIMABLE) or measured(one.auroc),
            )
            for one in result.disagreement
        )
        items.append(
            Table(
                "Disagreement of the networks, and being wrong",
                (
                    "label",
                    "whose answer",
                    "agreement by",
                    "films",
                    "wrong",
                    "agreement where right",
                    "where wrong",
                    "AUROC",
                ),
                rows,
                "AUROC: the chance that a film with a wrong answer has less agreement than one with a right answer; "
                "0.5: "
                f"disagreement tells nothing. Not estimable: fewer than {LEAST_FILMS} patients with, or without, a "
                "wrong answer.",
            )
        )
    if result.methods_being_wrong:
        of_methods = tuple(
            (
                one.network,
                _QUANTITIES.get(one.quantity, one.quantity),
                side(one.right),
                side(one.wrong),
                measured(one.agreement_right),
                measured(one.agreement_wrong),
                NOT_ESTIMABLE if one.difference is None else signed(one.difference),
            )
            for one in result.methods_being_wrong
        )
        items.append(
            Table(
                "Disagreement of the methods, and being wrong",
                (
                    "network",
                    "agreement by",
                    "label said, films / patients",
                    "label missed",
                    "agreement where said",
                    "where missed",
                    "missed minus said",
                ),
                of_methods,
                "Below 0: the methods agree less on a label that the network misses. Not estimable: fewer than "
                f"{result.settings.minimum_patients} patients on a side.",
            )
        )
    return items
