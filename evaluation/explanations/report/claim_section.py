"""The paper's finding, claim by claim."""

from __future__ import annotations

from ...report.document import Item, Section, Table
from ...report.numbers import p_value, signed
from ..result import AuditResult

__all__ = ["claims"]

_SPEAKS = {"for": "for the claim", "against": "against it", "neither": "neither"}


def claims(result: AuditResult) -> Section:
    """Return every claim with its verdict, what it rests on, and what cannot be tested."""
    items: list[Item] = [
        Table(
            "Verdicts",
            ("claim of the paper", "here", "why"),
            tuple((one.claim, one.verdict, one.why) for one in result.claims),
            "Each verdict follows from the numbers by rule; what is particular to a claim stands below its table.",
            prose=True,
        )
    ]
    items += [
        Table(
            f"{one.claim} Here: {one.verdict}",
            ("contrast", "difference", "p, Holm-corrected", "speaks"),
            tuple((c.what, signed(c.value), p_value(c.p_holm), _SPEAKS[c.speaks]) for c in one.contrasts),
            f"Difference: {one.meaning}. {one.rule}",
        )
        for one in result.claims
        if one.contrasts
    ]
    if result.dead_maps:
        dead = next(one for one in result.claims if "dead" in one.name)
        items.append(
            Table(
                f"{dead.claim} Here: {dead.verdict}",
                ("network", "feature maps", "constant on every film", "the same on every film"),
                tuple(
                    (
                        one.network,
                        str(one.maps),
                        f"{one.constant} ({_percent(one.constant, one.maps)})",
                        f"{one.unvarying} ({_percent(one.unvarying, one.maps)})",
                    )
                    for one in result.dead_maps
                ),
                f"Profile “{result.dead_maps[0].profile}”. A map that is constant has one value everywhere on every "
                "film; "
                "one that is the same on every film may still vary from place to place, as padding with zeros makes "
                "it. " + dead.rule,
            )
        )
    items.append(
        Table(
            "What of the paper cannot be tested here", ("what",), tuple((one,) for one in result.untestable), prose=True
        )
    )
    return Section(
        "Does the paper's finding hold here?",
        (
            "arXiv:2006.02570 compared five networks by eye: its ResNets explained themselves best, DenseNet161 was "
            "the most accurate but had dead neurons and looked outside the lungs; so a model should be chosen by its "
            "explanations too. “Cannot be told here” is a result: these films do not decide it.",
            f"The rule, fixed beforehand: {result.rule[0].lower()}{result.rule[1:]}",
        ),
        tuple(items),
    )


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "–"
