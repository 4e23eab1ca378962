"""The card of an ensemble: the networks of a model set and what they are together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from .card import ModelCard, check_thresholds
from .evaluated import Estimate, Evaluation
from .label import Label, check_labels
from .origin import DataRecord, ThresholdRecord
from .record import Name, Record
from .wording import INTENDED_USE, LIMITATIONS, VOTE_RULE, baseline_of, metrics_of, verdict_of

__all__ = ["EnsembleCard", "EnsembleFacts", "make_ensemble_card"]


class EnsembleCard(Record):
    """One model set as one classifier: ``chest_xray/<version>/card.json``."""

    schema_version: Literal[1] = 1
    """Of this document."""
    name: Name
    """Name of the ensemble in the repository."""
    title: str = Field(min_length=1)
    """As shown to people."""
    version: int = Field(ge=1)
    """Of the model set."""
    members: dict[Name, int] = Field(min_length=1)
    """Version of each network, in voting order."""
    labels: tuple[Label, ...] = Field(min_length=1)
    """Labels with their hierarchy; a threshold here is one of the mean probability."""
    vote_rule: str = VOTE_RULE
    """How the networks decide, and what becomes of their own thresholds."""
    thresholds: tuple[ThresholdRecord, ...] = ()
    """How the thresholds of the mean probability were chosen; empty: they were not, and are .5."""
    calibrated: dict[Name, str] = Field(default_factory=dict)
    """How the probabilities of each network that has a calibration are calibrated: ``temperature`` or ``platt``."""
    data: DataRecord | None = None
    """What all networks were trained on; None: not known, or not the same for all."""
    metrics: dict[str, float] = Field(default_factory=dict)
    """Scores of the majority vote in [0, 1] by name, as training measured them: without intervals or audit."""
    evaluation: Evaluation | None = None
    """Of the majority vote, with the shortcut audit; None: it was not evaluated."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of the libraries that made its networks."""
    created: datetime
    """When."""
    intended_use: str = INTENDED_USE
    """What it may be used for."""
    limitations: tuple[str, ...] = LIMITATIONS
    """What it cannot do, in plain words."""

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        check_labels(self.labels)
        check_thresholds(self.labels, self.thresholds)
        return self

    @property
    def verdict(self) -> str:
        """The shortcut audit's verdict, in plain words; it belongs beside every score."""
        return verdict_of(self.evaluation)

    @property
    def baseline(self) -> str:
        """What the strongest baselines that know no medicine score, in words; empty where that is not known."""
        return baseline_of(self.metrics, self.evaluation)

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Scores by name: of the evaluation, with intervals; where there is none, those of training."""
        return metrics_of(self.metrics, self.evaluation)

    def to_json(self) -> str:
        """Return the card as it is written to ``card.json``."""
        return self.model_dump_json(indent=2) + "\n"


@dataclass(frozen=True)
class EnsembleFacts:
    """What is known of an ensemble beside what its networks' cards say.

    Parameters
    ----------
    thresholds : tuple of ThresholdRecord
        Of the mean probability, in the order of the labels; empty: none were chosen.
    metrics : mapping of str to float
        Scores of the majority vote in [0, 1].
    evaluation : Evaluation, optional
        Of the majority vote.
    """

    thresholds: tuple[ThresholdRecord, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    evaluation: Evaluation | None = None


def make_ensemble_card(
    name: str, version: int, cards: Mapping[str, ModelCard], facts: EnsembleFacts, created: datetime
) -> EnsembleCard:
    """Make the card of a model set.

    Parameters
    ----------
    name : str
        Of the ensemble.
    version : int
        Of the set.
    cards : mapping of str to ModelCard
        Its networks', in voting order; all have the same labels.
    facts : EnsembleFacts
        What they do not say.
    created : datetime
        When the set was made.

    Raises
    ------
    ValueError
        If thresholds are of other labels.
    """
    members = tuple(cards.values())
    thresholds = [one.value for one in facts.thresholds] or [0.5] * len(members[0].labels)
    if len(thresholds) != len(members[0].labels):
        raise ValueError("thresholds of the mean are of other labels")
    data = {card.training.data.model_dump_json(): card.training.data for card in members if card.training is not None}
    known = len(data) == 1 and all(card.training is not None for card in members)
    return EnsembleCard(
        name=name,
        title=f"Majority vote of {', '.join(card.title for card in members)}",
        version=version,
        members={card.name: card.version for card in members},
        labels=tuple(
            label.model_copy(update={"threshold": threshold})
            for label, threshold in zip(members[0].labels, thresholds, strict=True)
        ),
        thresholds=facts.thresholds,
        calibrated={card.name: card.calibration.method for card in members if card.calibration is not None},
        data=next(iter(data.values())) if known else None,
        metrics=dict(facts.metrics),
        evaluation=facts.evaluation,
        versions=members[0].versions,
        created=created,
    )
