"""Sections with scores within parts of the films, and how the numbers were made."""

from __future__ import annotations

from ..comparing import MINIMUM_PATIENTS, ComparisonResult
from ..result import EvaluationResult
from ..statistics.predictors import MAJORITY, MEAN
from ..statistics.subgroups import Subgroup
from .document import NOT_AUDITED, ScoreTable, Section, Table
from .numbers import ABSENT, NOT_ESTIMABLE, side, signed, with_interval

__all__ = ["agreement", "comparisons", "method", "parts"]


def comparisons(result: EvaluationResult) -> Section:
    """Return predictors against the best baseline, comparison by comparison."""
    readable = [item for item in result.comparisons if item.estimable or item.is_pooled]
    rows = tuple(_comparison(item) for item in readable)
    too_few = tuple(
        (item.name, side(item.positive), side(item.negative)) for item in result.comparisons if item not in readable
    )
    networks = [item.name for item in result.predictors if item.kind == "network"]
    by_network = tuple(
        (item.name, *(signed(item.differences.get(name)) for name in networks))
        for item in result.comparisons
        if item.differences and item.estimable
    )
    tables = [
        Table(
            "AUROC on the same films",
            (
                "comparison",
                "films / patients, positive",
                "negative",
                "best baseline without medicine",
                "its AUROC",
                f"{MEAN}, AUROC",
                "difference",
            ),
            rows,
            f"Few patients: fewer than {MINIMUM_PATIENTS} on one side; such numbers describe these films "
            "and no others. The best baseline is chosen on these films, which favours the baseline.",
        )
    ]
    if by_network:
        tables.append(Table("Each network minus the best baseline", ("comparison", *networks), by_network))
    if too_few:
        tables.append(
            Table(
                f"Not estimable: fewer than {MINIMUM_PATIENTS} patients on one side",
                ("comparison", "films / patients, positive", "negative"),
                too_few,
            )
        )
    return Section(
        "Against predictors that know no medicine",
        (
            "Within one source, the source cannot give the answer away, so these rows are worth more than those of all "
            "films. A shortcut is excluded only where, within a source, the whole interval of the difference lies "
            "above 0.",
        ),
        tuple(tables),
    )


def _comparison(item: ComparisonResult) -> tuple[str, ...]:
    sides = (item.name, side(item.positive), side(item.negative))
    mark = "" if item.estimable else ", few patients"
    if item.best_baseline is None:
        return (*sides, NOT_AUDITED, ABSENT, with_interval(item.auroc[MEAN]) + mark, ABSENT)
    return (
        *sides,
        item.best_baseline,
        with_interval(item.baselines[item.best_baseline]),
        with_interval(item.auroc[MEAN]) + mark,
        signed(item.difference) + mark,
    )


def parts(result: EvaluationResult) -> Section:
    """Return scores by source, view, sex and age."""
    tables = []
    for by in dict.fromkeys(item.by for item in result.subgroups):
        items = [item for item in result.subgroups if item.by == by]
        shown = [item for item in items if item.estimable]
        rest = [item for item in items if not item.estimable]
        header: tuple[str, ...] = (
            by,
            "label",
            "films / patients with it",
            "without",
            "best baseline",
            f"{MEAN}, AUROC",
        )
        header += (f"{MAJORITY}, recall", f"{MAJORITY}, specificity")
        tables.append(
            ScoreTable(
                f"By {by}",
                header,
                tuple(_part(item) for item in shown) + tuple(_part(item) for item in rest),
                "",
                _note(items, len(header)),
            )
        )
    return Section(
        "Within parts of the films",
        (
            f"Where either side has fewer than {MINIMUM_PATIENTS} patients, nothing can be estimated. A part that "
            "mixes sources (a view, a sex, an age) can be told by the source; the best baseline stands in each row. "
            "Differences between parts are not tested: intervals of parts overlap for want of films as well.",
        ),
        tuple(tables),
    )


def _part(item: Subgroup) -> tuple[str, ...]:
    names = (item.value or "not known", item.label, side(item.positive), side(item.negative))
    if not item.estimable:
        return (*names, ABSENT, NOT_ESTIMABLE, NOT_ESTIMABLE, NOT_ESTIMABLE)
    if item.best_baseline is None:
        baseline = NOT_AUDITED
    else:
        baseline = f"{item.best_baseline}: {with_interval(item.baseline_auroc)}"
    return (
        *names,
        baseline,
        with_interval(item.auroc[MEAN]),
        with_interval(item.recall[MAJORITY]),
        with_interval(item.specificity[MAJORITY]),
    )


def _note(items: list[Subgroup], columns: int) -> tuple[tuple[str, ...], ...]:
    audited = any(item.best_baseline is not None for item in items)
    text = "no medicine: in each row, under “best baseline”" if audited else NOT_AUDITED
    return ((text, *[ABSENT] * (columns - 1)),)


def agreement(result: EvaluationResult) -> Section | None:
    """Return how far served answers differ from offline ones; None where they were not compared."""
    found = result.agreement
    if found is None:
        return None
    rows = tuple((name, f"{value:.1e}") for name, value in found.probabilities.items())
    said = "They agree" if found.holds else "THEY DO NOT AGREE"
    return Section(
        "Served and offline",
        (
            f"{found.films} films went through the served ensemble too. {said}: the largest difference of "
            f"probabilities that is let pass is {found.tolerance:g}. {found.votes_differ} numbers of votes and "
            f"{found.majorities_differ} majorities differ, of {found.films * len(result.labels)} film-label pairs; "
            f"{found.unexplained} of them of films without a probability that close to its threshold, which must not "
            f"be. {found.thresholds_differ} thresholds differ, of which none may.",
        ),
        (Table("Largest absolute difference of probabilities", ("network", "difference"), rows),),
    )


def method(result: EvaluationResult) -> Section:
    """Return how the numbers were made."""
    if result.plan == "draws":
        intervals = (
            "Intervals: Nadeau and Bengio's corrected resampled t interval over draws; values are means over draws. "
            "They may pass 0 or 1."
        )
    else:
        intervals = (
            f"Intervals: 95 %, percentiles of {result.settings.resamples} bootstrap resamples of patients with all "
            f"their films (seed {result.settings.seed}); the same resamples for every predictor, metric and "
            "difference. They "
            "hold for other patients of the same sources, and say nothing of other hospitals or other trainings."
        )
    versions = ", ".join(f"{name} {version}" for name, version in sorted(result.versions.items()))
    return Section(
        "How the numbers were made",
        (
            intervals,
            "ECE: expected calibration error with equal-mass bins; on few films it is above 0 even for perfect "
            "probabilities. Resamples in which a number is not defined are left out of it; past 5 % of them there is "
            "no interval.",
            *((f"Answers were computed with {versions}.",) if versions else ()),
            "Everything here comes from the stored tables of predictions and baselines, and from nothing else.",
        ),
    )
