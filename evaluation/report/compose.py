"""Put a report together: the verdict first, then the scores with what they must be read beside."""

from __future__ import annotations

from ..result import EvaluationResult
from . import audit_sections, part_sections, score_sections
from .document import NOT_AUDITED, Report

__all__ = ["compose"]


def compose(result: EvaluationResult) -> Report:
    """Return the report of a result."""
    sections = [
        score_sections.labels(result),
        part_sections.comparisons(result),
        audit_sections.audit(result),
        score_sections.averages(result),
        score_sections.probabilities(result),
        score_sections.differences(result),
        part_sections.parts(result),
        score_sections.folds(result),
        part_sections.agreement(result),
        score_sections.data(result),
        part_sections.method(result),
    ]
    verdicts = tuple(f"{item.label}: {item.text}" for item in result.verdicts)
    open_labels = [item.label for item in result.verdicts if not item.excluded]
    if not any(item.baselines for item in result.comparisons):
        verdict = NOT_AUDITED
    elif open_labels or not result.verdicts:
        verdict = f"Shortcut not excluded for {', '.join(open_labels) or 'any label'}."
    else:
        verdict = "Shortcuts by the measured baselines are excluded for every label."
    return Report(
        title=f"Evaluation of {result.data.name}",
        intended_use=result.intended_use,
        verdict=verdict[0].upper() + verdict[1:],
        verdicts=verdicts,
        sections=tuple(section for section in sections if section is not None),
    )
