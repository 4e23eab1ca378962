"""What an evaluation found: the one document from which reports and model cards are made."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ..handlers.card import INTENDED_USE, DataRecord
from ..handlers.evaluated import ShortcutVerdict
from .agreement import Agreement
from .comparing import ComparisonResult, Side
from .shortcuts.audit import ShortcutAudit
from .statistics.differences import Difference
from .statistics.resampling import Plan
from .statistics.score import Score
from .statistics.subgroups import Subgroup

__all__ = [
    "EvaluationResult",
    "FoldScores",
    "LabelFilms",
    "PrecisionRecall",
    "PredictorScores",
    "Reliability",
    "ReliabilityPoint",
    "Settings",
]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Settings(_Record):
    """How intervals were made."""

    resamples: int
    """Of the paired bootstrap over groups; overlapping draws use none."""
    seed: int
    """Of its random numbers."""
    bins: int
    """Equal-mass bins of reliability curves and calibration errors."""


class LabelFilms(_Record):
    """How many films tell of a label."""

    label: str
    """Which."""
    positive: Side
    """Known to have it."""
    negative: Side
    """Known not to."""
    unknown: int
    """Films of which it is not known; they do not count for the label."""
    missing: int
    """Resamples (or draws) without a positive or without a negative film."""


class PredictorScores(_Record):
    """A predictor's metrics, by name: ``micro_f1``, ``macro_auroc``, ``recall COVID-19`` and so on."""

    name: str
    """A network, ``majority vote`` or ``mean probability``."""
    kind: Literal["network", "majority", "mean"]
    """What it is. Rankings of the majority vote are by the share of networks that vote for a label."""
    metrics: dict[str, Score]
    """Every film counts once."""
    per_patient: dict[str, Score]
    """Every patient counts once: the films of a patient share its weight equally, which is what one film per patient,
    chosen at random, comes to on average."""


class FoldScores(_Record):
    """One fold or draw alone."""

    fold: str
    """Which."""
    films: int
    """Tested in it."""
    patients: int
    """Their groups."""
    train_films: int | None
    """Trained on; None: not known."""
    auroc: dict[str, dict[str, float | None]]
    """By label, then by predictor."""


class ReliabilityPoint(_Record):
    """One bin of a reliability curve."""

    probability: float
    """Mean of the bin's probabilities."""
    positive: float
    """Share of positive films in it."""
    films: int
    """In it."""


class Reliability(_Record):
    """Whether probabilities mean what they say."""

    label: str
    """Of which label."""
    predictor: str
    """Whose probabilities."""
    points: tuple[ReliabilityPoint, ...]
    """From the lowest probabilities on."""


class PrecisionRecall(_Record):
    """What precision costs in recall, over all thresholds."""

    label: str
    """Which."""
    predictor: str
    """Whose scores."""
    recall: tuple[float, ...]
    """Falling."""
    precision: tuple[float, ...]
    """At each of them."""


class EvaluationResult(_Record):
    """Everything that was found. Numbers are rounded to six decimals."""

    schema_version: Literal[1] = 1
    """Of this document."""
    intended_use: str = INTENDED_USE
    """What it may be used for."""
    data: DataRecord
    """What was evaluated."""
    created: datetime | None
    """When the networks' answers were computed."""
    films: int
    """X-rays."""
    patients: int
    """Groups of patients that they come from."""
    plan: Plan
    """One split, disjoint folds or overlapping draws."""
    settings: Settings
    """How intervals were made."""
    versions: dict[str, str]
    """Of the libraries that computed the answers."""
    verdicts: tuple[ShortcutVerdict, ...]
    """Whether shortcuts are excluded, one for each label."""
    labels: tuple[LabelFilms, ...]
    """Films by label."""
    predictors: tuple[PredictorScores, ...]
    """Networks, then majority vote and mean probability."""
    differences: tuple[Difference, ...]
    """Networks against their ensemble."""
    comparisons: tuple[ComparisonResult, ...]
    """Against baselines that know no medicine; those of all films first."""
    subgroups: tuple[Subgroup, ...]
    """Within sources, views, sexes and ages."""
    folds: tuple[FoldScores, ...]
    """One by one; a single split has none."""
    reliability: tuple[Reliability, ...]
    """Curves."""
    precision_recall: tuple[PrecisionRecall, ...]
    """Curves."""
    agreement: Agreement | None
    """Of offline and served answers; None: not asked both ways."""
    audit: ShortcutAudit | None = None
    """What else was measured of shortcuts; None: nothing."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels."""
        return tuple(item.label for item in self.labels)

    def pooled(self, label: str) -> ComparisonResult | None:
        """Return the comparison of a label with the rest of all films."""
        return next(
            (c for c in self.comparisons if c.positive_label == label and c.negative_label is None and c.is_pooled),
            None,
        )
