"""The rows that stand beside every pooled score: what reaches it without knowing any medicine."""

from __future__ import annotations

from collections.abc import Sequence

from ..result import EvaluationResult
from ..shortcuts.rules import RuleScores
from .document import NOT_AUDITED
from .numbers import ABSENT, with_interval

__all__ = ["best_baselines", "rows_of_baselines"]


def rows_of_baselines(result: EvaluationResult, label: str, columns: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return a row for each baseline of a label, the best first; if there is none, the row that says so.

    Parameters
    ----------
    result : EvaluationResult
        Everything.
    label : str
        Against the rest of all films.
    columns : sequence of str
        Metrics of the table, without its first column; what baselines do not have stays empty.
    """
    comparison = result.pooled(label)
    if comparison is None or not comparison.baselines:
        return ((NOT_AUDITED, *[ABSENT] * len(columns)),)
    f1 = {rule.predictor: rule.f1[label] for rule in _best_f1(result)}
    rows = []
    for name, score in sorted(comparison.baselines.items(), key=lambda item: -(item[1].value or 0)):
        known = {"auroc": with_interval(score), "f1": with_interval(f1.get(name))}
        rows.append((f"no medicine: {name}", *(known.get(column, ABSENT) for column in columns)))
    return tuple(rows)


def best_baselines(result: EvaluationResult, columns: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return what stands beside tables over several labels: for each label its best baseline, and the best micro-F1.

    Parameters
    ----------
    result : EvaluationResult
        Everything.
    columns : sequence of str
        Metrics of the table, without its first column: ``auroc`` or ``auroc LABEL``, and ``micro_f1``.
    """
    rows = []
    best = max(_best_f1(result), key=lambda rule: rule.micro_f1.value or 0, default=None)
    if best is not None and "micro_f1" in columns:
        cells = [with_interval(best.micro_f1) if column == "micro_f1" else ABSENT for column in columns]
        rows.append((f"no medicine: {best.predictor}", *cells))
    for label in result.label_names:
        comparison = result.pooled(label)
        if comparison is None or comparison.best_baseline is None:
            rows.append((f"{label}: {NOT_AUDITED}", *[ABSENT] * len(columns)))
            continue
        score = with_interval(comparison.baselines[comparison.best_baseline])
        cells = [score if column in ("auroc", f"auroc {label}") else ABSENT for column in columns]
        rows.append((f"no medicine, {label} alone: {comparison.best_baseline}", *cells))
    return tuple(rows)


def _best_f1(result: EvaluationResult) -> list[RuleScores]:
    """Return the baselines with thresholds chosen as those of networks are."""
    return [rule for rule in result.audit.rules if rule.rule == "best F1"] if result.audit is not None else []
