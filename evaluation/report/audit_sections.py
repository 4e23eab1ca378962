"""The section with everything else that was measured of shortcuts."""

from __future__ import annotations

from collections import Counter

from ..comparing import MINIMUM_PATIENTS
from ..result import EvaluationResult
from ..shortcuts.audit import ShortcutAudit
from ..shortcuts.left_out_sources import LeftOutSource
from ..statistics.predictors import MAJORITY, MEAN
from .document import Item, Section, Table
from .numbers import ABSENT, side, signed, with_interval

__all__ = ["audit"]


def audit(result: EvaluationResult) -> Section | None:
    """Return rules, hidden centres, source classifiers and left-out sources; None where nothing was measured."""
    found = result.audit
    if found is None:
        return None
    items = [_rules(found, result), _hidden(found), _sources(found), _left_out(found), _omissions(found)]
    return Section(
        "More on shortcuts",
        (
            "What the source, the edges or the shape of a film give away is there to be learnt; these tables say how "
            "much that is, and how much of it the networks have. A low number here proves nothing: other shortcuts "
            "than these remain possible.",
        ),
        tuple(item for item in items if item is not None),
    )


def _rules(found: ShortcutAudit, result: EvaluationResult) -> Item | None:
    if not found.rules:
        return None
    rows = [
        (f"no medicine: {one.predictor}", one.rule, with_interval(one.micro_f1), *map(with_interval, one.f1.values()))
        for one in sorted(found.rules, key=lambda one: -(one.micro_f1.value or 0))
    ]
    networks = [
        (
            item.name,
            ABSENT,
            with_interval(item.metrics.get("micro_f1")),
            *(with_interval(item.metrics.get(f"f1 {label}")) for label in result.label_names),
        )
        for item in result.predictors
    ]
    return Table(
        "F1 of baselines that name label sets",
        ("predictor", "rule", "micro-F1", *(f"F1 {label}" for label in result.label_names)),
        tuple(rows + networks),
        "Best F1: the threshold is chosen on the validation films, as those of networks are. Majority: what most "
        "training films of the same source, view or shape are.",
    )


def _hidden(found: ShortcutAudit) -> Item | None:
    if not found.centre_hidden:
        return None
    names = [name for name in found.centre_hidden[0].auroc if name != MAJORITY]
    rows = tuple(
        (one.comparison, *(with_interval(one.auroc[name]) for name in names), signed(one.lost[MEAN]))
        for one in found.centre_hidden
    )
    return Table(
        "AUROC of networks that do not see the lungs",
        ("comparison", *names, f"{MEAN}: AUROC on whole films minus this"),
        rows,
        "All but a frame of a tenth of each side is hidden, in the same place on every film, and filled with the mean "
        "of what is visible. That covers about 96 % of the lungs, so what is above .5 hardly comes from them.",
    )


def _sources(found: ShortcutAudit) -> Item | None:
    if not found.sources:
        return None
    rows = tuple(
        (
            one.source,
            one.seen,
            side(one.inside),
            side(one.outside),
            with_interval(one.auroc) + ("" if one.estimable else ", few patients"),
        )
        for one in found.sources
    )
    refused = "; ".join(f"{seen}: {reason}" for seen, reason in found.refusals.items())
    return Table(
        "How well the source can be told",
        ("source", "told from", "films / patients of it", "of others", "AUROC"),
        rows,
        "Logistic regression, fitted on training films. What can be told from a network's features is what it could "
        "use; whether it does is not said." + (f" Not measured: {refused}." if refused else ""),
    )


def _left_out(found: ShortcutAudit) -> Item | None:
    if not found.left_out:
        return None
    rows = []
    for one in found.left_out:
        names = list(dict.fromkeys(name for part in (one.recall, one.specificity, one.auroc) for name in part or ()))
        head = (one.source, one.label, side(one.positive), side(one.negative))
        rows += [(*head, name, *_cells(one, name)) for name in names or [ABSENT]]
    return Table(
        "Sources that were left out of the training",
        ("source", "label", "films / patients with it", "without", "predictor", "recall", "specificity", "AUROC"),
        tuple(rows),
        f"Not measurable: the source has no such films. Not estimable: of fewer than {MINIMUM_PATIENTS} patients.",
    )


def _cells(one: LeftOutSource, name: str) -> tuple[str, str, str]:
    smaller = min((one.positive, one.negative), key=lambda each: each.patients)
    return (
        one.why_not(one.positive) if one.recall is None else with_interval(one.recall[name]),
        one.why_not(one.negative) if one.specificity is None else with_interval(one.specificity[name]),
        one.why_not(smaller) if one.auroc is None else with_interval(one.auroc[name]),
    )


def _omissions(found: ShortcutAudit) -> Item | None:
    if not found.omissions:
        return None
    counted = Counter((one.predictor, one.reason) for one in found.omissions)
    rows = tuple((predictor, reason, str(count)) for (predictor, reason), count in counted.items())
    return Table("Baselines that could not be had", ("baseline", "why", "comparisons and folds"), rows)
