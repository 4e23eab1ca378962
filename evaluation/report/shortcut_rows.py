"""The rows that stand beside every pooled score: what reaches it without knowing any medicine."""

from __future__ import annotations

from ..comparing import ComparisonResult
from ..result import EvaluationResult
from .document import NOT_AUDITED
from .numbers import ABSENT, with_interval

__all__ = ["best_baselines", "rows_of_baselines"]


def rows_of_baselines(
    comparison: ComparisonResult | None, columns: int, auroc_column: int
) -> tuple[tuple[str, ...], ...]:
    """Return a row for each baseline, the best first; if there is none, the row that says so.

    Parameters
    ----------
    comparison : ComparisonResult, optional
        Of the label with the rest of all films.
    columns : int
        Of the table, its first included.
    auroc_column : int
        Where the AUROC goes; baselines rank films and have no threshold, so that other cells stay empty.
    """
    if comparison is None or not comparison.baselines:
        return ((NOT_AUDITED, *[ABSENT] * (columns - 1)),)
    rows = []
    for name, score in sorted(comparison.baselines.items(), key=lambda item: -(item[1].value or 0)):
        cells = [f"no medicine: {name}", *[ABSENT] * (columns - 1)]
        cells[auroc_column] = with_interval(score)
        rows.append(tuple(cells))
    return tuple(rows)


def best_baselines(result: EvaluationResult, columns: int, auroc_column: int) -> tuple[tuple[str, ...], ...]:
    """Return a row for each label with its best baseline, for tables over several labels."""
    rows = []
    for label in result.label_names:
        comparison = result.pooled(label)
        cells = [ABSENT] * columns
        if comparison is None or comparison.best_baseline is None:
            cells[0] = f"{label}: {NOT_AUDITED}"
        else:
            cells[0] = f"no medicine, {label} alone: {comparison.best_baseline}"
            cells[auroc_column] = with_interval(comparison.baselines[comparison.best_baseline])
        rows.append(tuple(cells))
    return tuple(rows)
