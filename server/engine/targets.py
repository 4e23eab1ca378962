"""Which labels are explained, and why."""

from __future__ import annotations

from collections.abc import Sequence

from ...handlers.card import ModelCard
from ..classifier import Classification
from .events import Target, TargetReason, Verdict
from .order import ExplainOrder, TargetChoice

__all__ = ["ensemble_targets", "ensemble_verdicts", "network_targets", "network_verdicts"]


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
        highest mean probability, marked so. None where labels without a majority are asked for and there is none.
    """
    labels = classification.labels
    if order.choice is TargetChoice.PREDICTED:
        predicted = tuple(Target(one.label, TargetReason.PREDICTED) for one in labels if one.majority)
        top = max(labels, key=lambda one: one.mean_probability)
        return predicted or (Target(top.label, TargetReason.TOP),)
    if order.choice is TargetChoice.NOT_PREDICTED:
        return tuple(Target(one.label, TargetReason.NOT_PREDICTED) for one in labels if not one.majority)
    return _asked(order, [one.label for one in labels])


def network_targets(order: ExplainOrder, card: ModelCard, probabilities: Sequence[float]) -> tuple[Target, ...]:
    """Choose among the labels of a network that does not vote, by its own probabilities and thresholds."""
    if order.choice is TargetChoice.PREDICTED:
        scored = list(zip(card.labels, probabilities, strict=True))
        predicted = tuple(Target(one.name, TargetReason.PREDICTED) for one, score in scored if score >= one.threshold)
        top, _ = max(scored, key=lambda pair: pair[1])
        return predicted or (Target(top.name, TargetReason.TOP),)
    if order.choice is TargetChoice.NOT_PREDICTED:
        scored = list(zip(card.labels, probabilities, strict=True))
        return tuple(Target(one.name, TargetReason.NOT_PREDICTED) for one, score in scored if score < one.threshold)
    return _asked(order, card.label_names)


def ensemble_verdicts(classification: Classification) -> dict[str, Verdict]:
    """Return what the networks that vote say of each label."""
    voters = len(classification.answers)
    return {one.label: Verdict(one.majority, one.votes, voters, one.mean_probability) for one in classification.labels}


def network_verdicts(card: ModelCard, probabilities: Sequence[float]) -> dict[str, Verdict]:
    """Return what a network that does not vote says of each label."""
    return {
        label.name: Verdict(score >= label.threshold, int(score >= label.threshold), 1, score)
        for label, score in zip(card.labels, probabilities, strict=True)
    }


def _asked(order: ExplainOrder, known: Sequence[str]) -> tuple[Target, ...]:
    wanted = set(known) if order.choice is TargetChoice.ALL else set(order.labels)
    return tuple(Target(label, TargetReason.ASKED) for label in known if label in wanted)
