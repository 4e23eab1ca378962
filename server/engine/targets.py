"""Which labels are explained, and why."""

from __future__ import annotations

from collections.abc import Sequence

from ...handlers.card import ModelCard
from ..classifier import Classification
from .events import Target, TargetReason
from .order import ExplainOrder, TargetChoice

__all__ = ["ensemble_targets", "network_targets"]


def ensemble_targets(order: ExplainOrder, classification: Classification) -> tuple[Target, ...]:
    """Choose among the labels that the networks vote on.

    Parameters
    ----------
    order
        What is asked for.
    classification
        What the networks say.

    Returns
    -------
    tuple of Target
        In the order of the labels. Where predicted ones are asked for and the majority is for none, the label of the
        highest mean probability, marked so.
    """
    labels = classification.labels
    if order.choice is TargetChoice.PREDICTED:
        predicted = tuple(Target(one.label, TargetReason.PREDICTED) for one in labels if one.majority)
        top = max(labels, key=lambda one: one.mean_probability)
        return predicted or (Target(top.label, TargetReason.TOP),)
    return _asked(order, [one.label for one in labels])


def network_targets(order: ExplainOrder, card: ModelCard, probabilities: Sequence[float]) -> tuple[Target, ...]:
    """Choose among the labels of a network that does not vote, by its own probabilities and thresholds."""
    if order.choice is TargetChoice.PREDICTED:
        scored = list(zip(card.labels, probabilities, strict=True))
        predicted = tuple(Target(one.name, TargetReason.PREDICTED) for one, score in scored if score >= one.threshold)
        top, _ = max(scored, key=lambda pair: pair[1])
        return predicted or (Target(top.name, TargetReason.TOP),)
    return _asked(order, card.label_names)


def _asked(order: ExplainOrder, known: Sequence[str]) -> tuple[Target, ...]:
    wanted = set(known) if order.choice is TargetChoice.ALL else set(order.labels)
    return tuple(Target(label, TargetReason.ASKED) for label in known if label in wanted)
