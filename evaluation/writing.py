"""From a folder of tables to everything that people and programs read of an evaluation."""

from __future__ import annotations

from pathlib import Path

from .for_cards import for_cards
from .progress import Progress, silent
from .report import compose, to_html, to_markdown
from .result import EvaluationResult
from .scoring import score
from .shortcuts.verdict import verdicts
from .stored import read_tables
from .storing import write_record, write_text

__all__ = ["evaluate_tables"]


def evaluate_tables(tables: Path, out: Path, progress: Progress = silent) -> EvaluationResult:
    """Compute an evaluation from its tables and write it.

    The files are ``evaluation.json``, ``evaluation.md``, ``report.html`` and ``for_cards.json``.

    Parameters
    ----------
    tables : Path
        The folder of tables.
    out : Path
        Where to.
    progress : callable
        Told how far it is.

    Returns
    -------
    EvaluationResult
        The same, and the same files byte for byte, for the same tables.

    Raises
    ------
    EvaluationError
        If the tables are not what they should be.
    """
    stored = read_tables(tables)
    result = score(
        stored.predictions,
        stored.baselines,
        stored.asked.comparisons,
        verdicts,
        stored.agreement,
        stored.asked.resamples,
        stored.asked.seed,
        progress,
        stored.audit,
    )
    report = compose(result)
    out.mkdir(parents=True, exist_ok=True)
    write_record(result, out / "evaluation.json")
    write_text(to_markdown(report), out / "evaluation.md")
    write_text(to_html(report), out / "report.html")
    write_record(for_cards(result), out / "for_cards.json")
    return result
