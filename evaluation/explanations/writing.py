"""From the tables of an audit to everything that people and programs read of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...handlers.profile import ProfileRecord
from ..progress import Progress, silent
from ..report import to_html, to_markdown
from ..report.document import Section
from ..storing import write_record, write_text
from .auditing import RESAMPLES, find
from .pictures import Pictures
from .report import compose, illustrate, without_pictures
from .result import AuditResult
from .tables import AuditTables

__all__ = ["write_audit"]


def write_audit(
    tables: AuditTables,
    out: Path,
    pictures: Pictures | None = None,
    *,
    profiles: Sequence[ProfileRecord] = (),
    extra_sections: tuple[Section, ...] = (),
    resamples: int = RESAMPLES,
    progress: Progress = silent,
) -> AuditResult:
    """Compute what an audit found and write it.

    The files are ``audit_result.json``, ``audit.md`` and ``report.html``. X-rays and maps are in the page alone,
    and only where `pictures` are given; without them it says so.

    Parameters
    ----------
    tables : AuditTables
        All that was measured.
    out : Path
        Where to; made where it is missing.
    pictures : Pictures, optional
        X-rays and maps for the page.
    profiles : sequence of ProfileRecord
        Stored neuron activation profiles of the same networks, for dead feature maps.
    extra_sections : tuple of Section
        Shown in page and Markdown before how the numbers were made.
    resamples : int
        Of the bootstrap over groups of patients.
    progress : callable
        Told how far it is.

    Returns
    -------
    AuditResult
        The same, and the same files byte for byte, for the same tables and pictures.

    Raises
    ------
    EvaluationError
        If rows are about what the head does not know, or nothing was explained.
    """
    result = find(tables, profiles, resamples, progress)
    progress("report", 0, 1)
    shown = illustrate(tables.head, pictures) if pictures is not None else without_pictures()
    report = compose(result, tables.head, shown, extra_sections)
    # Markdown shows no pictures, so it is the same with them and without.
    told = tuple(section for section in report.sections if section not in shown)
    out.mkdir(parents=True, exist_ok=True)
    write_record(result, out / "audit_result.json")
    write_text(to_markdown(replace(report, sections=told)), out / "audit.md")
    write_text(to_html(report), out / "report.html")
    progress("report", 1, 1)
    return result
