"""Sections on where maps point: at disease that was marked, and at the lungs."""

from __future__ import annotations

from ...report.document import Item, Section, Table
from ...report.numbers import ABSENT, NOT_ESTIMABLE, signed
from ...statistics.score import Score
from ..averages_beside import CHANCE
from ..result import AgainstAverage, AuditResult
from .value_sections import values_table
from .wording import Words, measured

__all__ = ["PUBLISHED", "localisation", "lungs"]

PUBLISHED = (
    ("average mask of the training films", "0.465"),
    ("XRAI, the best method", "0.519"),
    ("RetinaNet, a detector trained on boxes", "0.596"),
    ("Grad-CAM", "0.41"),
    ("integrated gradients", "0.32"),
    ("saliency", "0.34"),
    ("guided backprop", "0.17"),
)
"""AUPRC on the films with pneumonia of the RSNA challenge: N. Arun et al., Assessing the Trustworthiness of Saliency Maps
for Localizing Abnormalities in Medical Imaging, Radiology: Artificial Intelligence 3 (2021)."""


def localisation(result: AuditResult, words: Words) -> Section | None:
    """Return localisation numbers beside what knows no film; None where none was measured."""
    if not result.against_average:
        return None
    items: list[Item] = []
    for key in dict.fromkeys((one.quantity, one.scope) for one in result.against_average):
        own = [one for one in result.against_average if (one.quantity, one.scope) == key]
        items.append(_beside(result, words, own))
    items.append(
        Table(
            "Published marks: AUPRC on pneumonia films of the RSNA challenge",
            ("what", "AUPRC"),
            PUBLISHED,
            "Arun et al. 2021. For context alone: other films, other networks, other grids; no number here may be "
            "compared to them as if it were the same test.",
        )
    )
    return Section(
        "Localisation: do the maps point at the disease that was marked?",
        (
            "Boxes that mean disease (not anatomy), on films with that label. Every number stands beside two that know "
            "nothing of the film: the average mask of the training films (where disease mostly is), and what a map without "
            "knowledge gets by chance. A map that does not beat the average mask does not show that the network found the "
            "lesion on this film.",
            "All films, and true positives alone: of a label that a network does not say, its map cannot be expected to "
            "point at the disease. Boxes are drawn by readers and are coarse; a map may be right outside them.",
        ),
        tuple(items),
    )


def _beside(result: AuditResult, words: Words, own: list[AgainstAverage]) -> Table:
    first = own[0]
    rows = [
        (
            one.network,
            words.method(one.method),
            f"{one.films} / {one.patients}",
            _score(one.map),
            _known(one.average_mask, one.map),
            NOT_ESTIMABLE if one.map is None else ABSENT if one.difference is None else signed(one.difference),
            _known(one.chance, one.map),
        )
        for one in own
    ]
    better = sum(1 for one in own if one.difference is not None and (one.difference.low or 0) > 0)
    worse = sum(
        1 for one in own if one.difference is not None and one.difference.high is not None and one.difference.high < 0
    )
    told = sum(1 for one in own if one.difference is not None)
    expected = "" if first.quantity in CHANCE else " By chance: not known for this number."
    return Table(
        words.directed(first.quantity, first.scope if first.scope != "all" else "all") + _films(first.scope),
        ("network", "method", "films / patients", "map", "average mask", "map minus average mask", "by chance"),
        tuple(rows),
        f"{words.quantities[first.quantity].description} Above the average mask with the whole interval: {better} of "
        f"{told}; below it: {worse}. The intervals are not corrected for their number.{expected}",
    )


def _films(scope: str) -> str:
    return ", all films" if scope == "all" else ""


def _score(score: Score | None) -> str:
    return measured(score)


def _known(score: Score | None, beside: Score | None) -> str:
    if beside is None:
        return NOT_ESTIMABLE
    return ABSENT if score is None else measured(score)


def lungs(result: AuditResult, words: Words) -> Section | None:
    """Return what lies outside the lungs, source by source; None where nothing was measured."""
    quantities = [one for one in words.quantities.values() if one.family == "lungs"]
    scopes = [one for one in result.scopes if one.name.startswith("source ")]
    items = [
        item
        for scope in scopes
        for quantity in quantities
        for item in values_table(result, words, quantity, scope.name)
    ]
    if not items:
        return None
    return Section(
        "Lungs: how much of the evidence lies outside?",
        (
            "On films with a mask of the lungs, inside the area that the mask covers. Sources are never put together: their "
            "masks were drawn by different rules (some count the area behind the heart as lung, some do not), so the same "
            "map has other numbers. Kinds of masks are kept apart for the same reason.",
            "Evidence outside the lungs is no proof of a shortcut (a tube, the heart and the mediastinum are medicine too), "
            "and evidence inside is no proof of none. Compare it to the share of the film that is outside: a map that knows "
            "nothing has as much.",
        ),
        tuple(items),
    )
