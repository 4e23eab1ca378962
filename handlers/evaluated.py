"""What an evaluation found, in the form in which model cards carry it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["BaselineEstimate", "Estimate", "Evaluation", "EvaluationOfSet", "ShortcutVerdict"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(_Record):
    """A number and how far it can be trusted."""

    value: float | None
    """As measured; None where it is not estimable."""
    low: float | None = None
    """Lower end of the 95 % interval (bootstrap over groups); None where it is not estimable."""
    high: float | None = None
    """Upper end."""


class BaselineEstimate(Estimate):
    """What a predictor that knows no medicine scores on the same films."""

    predictor: str
    """Which, such as ``source`` or ``thumbnail``."""


class ShortcutVerdict(_Record):
    """Whether a label's score can be explained by what is not medicine.

    The shortcut is excluded only where, within one source, the lower end of the 95 % interval of AUC(model) minus
    AUC(best baseline that knows no medicine) is above 0.
    """

    label: str
    """Which label."""
    excluded: bool
    """Whether the shortcut is excluded."""
    text: str = Field(min_length=1)
    """In plain words with its numbers; begins with ``shortcut excluded`` or ``shortcut not excluded``."""
    comparison: str | None = None
    """The comparison within a source that decided, such as ``Pneumonia vs No Finding in NIH``; None: there was none."""
    difference: Estimate | None = None
    """AUC(model) - AUC(best baseline) of that comparison."""
    baseline: str | None = None
    """The best baseline of that comparison."""


class Evaluation(_Record):
    """Of one network, or of the ensemble."""

    data: str
    """Data set and split that were evaluated."""
    checksum: str
    """SHA-256 of its manifest."""
    films: int = Field(ge=1)
    """How many X-rays."""
    patients: int = Field(ge=1)
    """How many groups of patients they come from."""
    metrics: dict[str, Estimate]
    """By name: ``micro_f1``, ``auroc COVID-19`` and so on."""
    baselines: dict[str, BaselineEstimate] = Field(default_factory=dict)
    """By the name of a metric: the best that knows no medicine on all these films. Metrics of all films are not to be
    shown without it; of metrics that are not named here, none was measured."""
    verdicts: tuple[ShortcutVerdict, ...]
    """One for each label."""
    created: datetime
    """When."""

    @property
    def verdict(self) -> str:
        """The verdict over all labels, in plain words: the shortcut is excluded only where it is for every label."""
        left = [verdict.label for verdict in self.verdicts if not verdict.excluded]
        if not left and self.verdicts:
            return "shortcut excluded"
        return f"shortcut not excluded ({', '.join(left)})" if left else "shortcut not excluded"


class EvaluationOfSet(_Record):
    """What `radiolucent evaluate` leaves for `radiolucent export`: ``<run>/evaluation/for_cards.json``."""

    networks: dict[str, Evaluation]
    """By name."""
    ensemble: Evaluation
    """Of the majority vote."""
