"""The shortcut audit: everything beside which scores must be read, from stored tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from ..comparing import ComparisonResult
from ..statistics.resampling import Resampling
from ..tables import BaselineScore, Predictions
from .centre_hidden import CentreHidden, centre_hidden
from .cut import BaselineCuts
from .left_out_sources import LeftOutSource, left_out_sources
from .rules import RuleScores, rule_scores
from .source_classifier import SourceScores, score_sources

__all__ = ["AuditNotes", "AuditTables", "Omission", "ShortcutAudit", "audit"]


class Omission(BaseModel):
    """A predictor that could not be had for a comparison."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    comparison: str
    """For which."""
    predictor: str
    """Which."""
    fold: str
    """In which fold."""
    reason: str
    """Why."""


class AuditNotes(BaseModel):
    """``audit.json``: thresholds of baselines, and what could not be measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cuts: BaselineCuts
    """From which score on baselines call a film positive."""
    omissions: tuple[Omission, ...]
    """Baselines that could not be had."""
    refusals: dict[str, str]
    """By what the source should have been told from: why it was not."""


@dataclass(frozen=True, eq=False)
class AuditTables:
    """What an audit needs beside predictions and baselines.

    Parameters
    ----------
    notes : AuditNotes
        Thresholds, and what is missing.
    centre_hidden : Predictions, optional
        Of the tested films with their centre hidden; None where no network ran here.
    sources : sequence of BaselineScore
        How well the source of each film can be told; none where no network ran here.
    """

    notes: AuditNotes
    centre_hidden: Predictions | None
    sources: Sequence[BaselineScore]


class ShortcutAudit(BaseModel):
    """What was found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[RuleScores, ...]
    """F1 of baselines, beside that of networks."""
    sources: tuple[SourceScores, ...]
    """How well the source can be told."""
    centre_hidden: tuple[CentreHidden, ...]
    """What networks know without the lungs."""
    left_out: tuple[LeftOutSource, ...]
    """Sources that the networks had never seen; of a run with the plan ``sources`` alone."""
    omissions: tuple[Omission, ...]
    """Baselines that could not be had."""
    refusals: dict[str, str]
    """Source classifiers that could not be had."""


def audit(
    predictions: Predictions,
    baselines: Sequence[BaselineScore],
    tables: AuditTables,
    results: Sequence[ComparisonResult],
    resampling: Resampling,
) -> ShortcutAudit:
    """Compute the audit from its tables.

    Parameters
    ----------
    predictions : Predictions
        Of the networks.
    baselines : sequence of BaselineScore
        Of predictors that know no medicine.
    tables : AuditTables
        What else was measured.
    results : sequence of ComparisonResult
        Networks against baselines.
    resampling : Resampling
        Of these predictions.
    """
    hidden = tables.centre_hidden
    cuts = tables.notes.cuts
    return ShortcutAudit(
        rules=rule_scores(predictions, baselines, cuts, resampling),
        sources=score_sources(tables.sources, predictions, resampling),
        centre_hidden=() if hidden is None else centre_hidden(predictions, hidden, results, resampling),
        left_out=left_out_sources(predictions, baselines, cuts, resampling),
        omissions=tables.notes.omissions,
        refusals=tables.notes.refusals,
    )
