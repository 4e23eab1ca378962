"""Sections with the scores of all films."""

from __future__ import annotations

from ..result import EvaluationResult
from ..statistics.predictors import MAJORITY, MEAN
from .document import ScoreTable, Section, Table
from .figures import auroc_figure, precision_recall_figure, reliability_figure
from .numbers import ABSENT, number, p_value, side, signed, with_interval
from .shortcut_rows import best_baselines, rows_of_baselines

__all__ = ["averages", "data", "differences", "folds", "labels", "probabilities"]

_KINDS = ("auroc", "auprc", "precision", "recall", "specificity", "f1", "brier", "ece")
_TITLES = ("AUROC", "AUPRC", "precision", "recall", "specificity", "F1", "Brier", "ECE")
_PLANS = {
    "split": "One training: every film was left out of it.",
    "folds": "Disjoint folds: every film was tested once, by networks that had not seen its patient. "
    "Scores pool all folds.",
    "draws": "Overlapping draws: films were tested several times, by networks of several trainings.",
}


def data(result: EvaluationResult) -> Section:
    """Return what was evaluated."""
    rows = [
        (
            item.label,
            side(item.positive),
            side(item.negative),
            str(item.unknown),
            str(item.missing),
        )
        for item in result.labels
    ]
    created = f"; answers computed on {result.created:%Y-%m-%d}" if result.created else ""
    return Section(
        "What was evaluated",
        (
            f"{result.data.name}: {result.films} X-rays of {result.patients} patients{created}. {_PLANS[result.plan]}",
            f"SHA-256 of the manifest: {result.data.checksum}.",
        ),
        (
            Table(
                "Films by label",
                (
                    "label",
                    "films / patients with it",
                    "films / patients without",
                    "films unknown",
                    "resamples without a class",
                ),
                tuple(rows),
                "Films of which a label is not known do not count for it: unknown is not negative. "
                "“Patients” are groups of films of one patient and known duplicates.",
            ),
        ),
    )


def labels(result: EvaluationResult) -> Section:
    """Return the scores of every label, beside those of baselines."""
    tables = []
    for label in result.label_names:
        rows = tuple(
            (item.name, *(with_interval(item.metrics.get(f"{kind} {label}")) for kind in _KINDS))
            for item in result.predictors
        )
        shortcuts = rows_of_baselines(result, label, _KINDS)
        tables.append(ScoreTable(f"{label}, all films", ("predictor", *_TITLES), rows, _few(result, label), shortcuts))
    figures = [auroc_figure(result, label) for label in result.label_names]
    return Section(
        "Every label, beside what needs no medicine",
        (
            "Dots are AUROC (the chance that a film with the label scores above one without), lines are 95 % "
            "intervals. Orange diamonds are predictors that know no medicine: the shape of the "
            "film, its brightness, its edge, a thumbnail. Where they reach as far right as the networks, the "
            "networks may have learnt no more than they. "
            "Where networks lie further right, other shortcuts than these remain possible.",
            f"Rankings of the {MAJORITY} are by the share of networks that vote for the label. The {MEAN} has "
            "thresholds of its own. Precision is not defined where nothing was called positive.",
        ),
        (*figures, *tables),
    )


def _few(result: EvaluationResult, label: str) -> str:
    comparison = result.pooled(label)
    if comparison is None or comparison.estimable:
        return ""
    fewest = min(comparison.positive.patients, comparison.negative.patients)
    return f"Only {fewest} patients on one side: these numbers describe these films and cannot be carried further."


def averages(result: EvaluationResult) -> Section:
    """Return micro and macro averages, and the rows in which each patient counts once."""
    tables = []
    for average in ("micro", "macro"):
        rows = tuple(
            (item.name, *(with_interval(item.metrics.get(f"{average}_{kind}")) for kind in _KINDS))
            for item in result.predictors
        )
        tables.append(
            ScoreTable(
                f"{average.capitalize()} average over labels",
                ("predictor", *_TITLES),
                rows,
                shortcuts=best_baselines(
                    result, ["micro_f1" if (average, k) == ("micro", "f1") else k for k in _KINDS]
                ),
            )
        )
    shown = ("micro_f1", "macro_auroc", *(f"auroc {label}" for label in result.label_names))
    rows = tuple(
        (item.name, counting, *(with_interval(scores[name]) for name in shown))
        for item in result.predictors
        for counting, scores in (("each film", item.metrics), ("each patient", item.per_patient))
    )
    header = (
        "predictor",
        "counts once",
        "micro-F1",
        "macro AUROC",
        *(f"AUROC {label}" for label in result.label_names),
    )
    shortcuts = tuple((name, "each film", *cells) for name, *cells in best_baselines(result, shown))
    tables.append(
        ScoreTable(
            "One film per patient",
            header,
            rows,
            "Films of one patient share one film's weight: what one film per patient, chosen at random, comes to on "
            "average. Where both rows differ, a few patients with many films carry the score. Baselines stand with the "
            "AUROC of their own label.",
            shortcuts,
        )
    )
    return Section(
        "All labels together",
        (
            "Micro averages throw all film-label pairs into one question; macro averages are the mean over labels. "
            "Baselines answer one label each and stand with the AUROC of that label; the one with the best micro-F1, "
            "its thresholds chosen as those of networks are, stands with that.",
        ),
        tuple(tables),
    )


def differences(result: EvaluationResult) -> Section:
    """Return networks against their ensemble."""
    rows = tuple(
        (
            item.metric,
            f"{item.network} − {item.reference}",
            signed(item.difference),
            p_value(item.p),
            p_value(item.p_holm),
        )
        for item in result.differences
    )
    return Section(
        "Do networks differ from their ensemble?",
        (
            "The same resamples for both sides, so that what is hard for both cancels out. Positive: the network is "
            "better. p is two-sided; the last column is corrected (Holm) for all differences of the same metric. A "
            "difference of scores that shortcuts explain says nothing of medicine.",
        ),
        (Table("Paired differences", ("metric", "difference", "95 % interval", "p", "p, Holm"), rows),),
    )


def probabilities(result: EvaluationResult) -> Section:
    """Return reliability and precision-recall curves."""
    figures = [
        *(reliability_figure(result, label) for label in result.label_names),
        *(precision_recall_figure(result, label) for label in result.label_names),
    ]
    return Section(
        "Curves",
        (
            f"Reliability: films in {result.settings.bins} bins of equal number by their probability. On the diagonal, "
            "of the films given 30 %, 30 % have the label. Points carry few films each, so that distances of a tenth "
            "are chance; and what holds here need not hold where the label is rarer.",
            "Precision and recall over all thresholds. The dashed line is what a predictor that knows nothing reaches. "
            "It depends on how common the label is among these films, which is not how common it is among patients. "
            "Neither kind of curve can tell medicine from shortcuts.",
        ),
        tuple(figures),
    )


def folds(result: EvaluationResult) -> Section | None:
    """Return the AUROC of each fold; None for a single split."""
    if not result.folds:
        return None
    names = [item.name for item in result.predictors]
    tables = tuple(
        ScoreTable(
            f"{label}: AUROC fold by fold",
            ("fold", "films / patients", "trained on", *names),
            tuple(
                (
                    item.fold,
                    f"{item.films} / {item.patients}",
                    ABSENT if item.train_films is None else str(item.train_films),
                    *(number(item.auroc[label][name]) for name in names),
                )
                for item in result.folds
            ),
            "Baselines are of all folds together, under the first predictor.",
            rows_of_baselines(result, label, [ABSENT, ABSENT, "auroc", *names[1:]]),
        )
        for label in result.label_names
    )
    return Section("Fold by fold", ("How much a score varies from training to training.",), tables)
