"""What is worked on, and in which order: cheap items first, so that the first heatmap comes at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...handlers.card import ModelCard
from ...handlers.repository import Repository
from ...plugins import NotApplicable
from .events import Item, Target, Verdict
from .order import ExplainOrder
from .task import ItemTask, ModelRef, Output, VoterRef
from .validate import CheckedCall

__all__ = ["Explained", "PlannedItem", "grid_of", "plan"]

_LOG = logging.getLogger(__name__)

# Time of a forward pass per input pixel relative to ResNet18, as measured on a CPU. Only the order and the weight of
# items in the progress hang on it.
_RELATIVE_TIME = {
    "resnet18": 1.0,
    "resnet34": 2.0,
    "inception_v3": 2.2,
    "inception_resnet_v2": 4.5,
    "densenet161": 6.8,
}
_UNKNOWN_ARCHITECTURE = 3.0
_MOST_PASSES = 10**9


@dataclass(frozen=True)
class Explained:
    """A network to explain, or the vote of several.

    Attributes
    ----------
    model, version
        Name and version: of the network, or of the ensemble and its model set.
    card
        Of the version that classified; for the ensemble, of the network on whose grid the X-ray is perturbed.
    targets
        The labels, which are among its own.
    verdicts
        What the networks say of them.
    voters
        Cards of the networks whose vote is explained, in voting order; empty for a network.
    """

    model: str
    version: int
    card: ModelCard
    targets: tuple[Target, ...]
    verdicts: Mapping[str, Verdict]
    voters: tuple[ModelCard, ...] = ()


def grid_of(cards: Sequence[ModelCard]) -> ModelCard:
    """Return the card on whose grid several networks meet: that of the largest input, the first of equals."""
    return max(cards, key=lambda card: card.input.size)


@dataclass(frozen=True)
class PlannedItem:
    """One method on one network.

    Attributes
    ----------
    item
        What the caller sees of it.
    task
        What a worker gets.
    call
        The method and its parameters.
    parameters
        These as JSON values.
    labels
        Label of every target index of the task.
    cost
        Estimated work; comparable between items.
    verdicts
        What the networks say of the labels.
    """

    item: Item
    task: ItemTask
    call: CheckedCall
    parameters: Mapping[str, Any]
    labels: Mapping[int, str]
    cost: float
    verdicts: Mapping[str, Verdict]


def plan(
    job_id: str,
    order: ExplainOrder,
    calls: Sequence[CheckedCall],
    explained: Sequence[Explained],
    repository: Repository,
) -> tuple[PlannedItem, ...]:
    """Make one item of every method on every network, with all labels, which share its passes.

    Parameters
    ----------
    job_id
        The job.
    order
        What is asked for.
    calls
        The methods.
    explained
        The networks.
    repository
        Where their TorchScript copies are.

    Returns
    -------
    tuple of PlannedItem
        By estimated cost, cheapest first.
    """
    items = [
        _item(job_id, f"{job_id}/{number}", order, call, one, repository)
        for number, (call, one) in enumerate((call, one) for call in calls for one in explained if one.targets)
    ]
    return tuple(sorted(items, key=lambda planned: planned.cost))


def _item(
    job_id: str, item_id: str, order: ExplainOrder, call: CheckedCall, one: Explained, repository: Repository
) -> PlannedItem:
    card = one.card
    labels = {card.label_names.index(target.label): target.label for target in one.targets}
    parameters = call.parameters.model_dump(mode="json")
    task = ItemTask(
        job_id=job_id,
        item_id=item_id,
        image=order.image,
        model=ModelRef.of(card, repository),
        method=call.method.name,
        parameters=parameters,
        targets=tuple(labels),
        output=order.output or (Output.VOTES if one.voters else Output.LOGIT),
        partial=order.partial,
        want_input=order.inputs,
        want_attribution=order.attributions,
        voters=tuple(
            VoterRef(ModelRef.of(voter, repository), tuple(label.threshold for label in voter.labels))
            for voter in one.voters
        ),
    )
    item = Item(one.model, one.version, call.method.name, tuple(labels.values()))
    passes = _passes(call, card, len(labels))
    cost = sum(passes * _time(card) for card in one.voters or (card,))
    return PlannedItem(item, task, call, parameters, labels, cost, one.verdicts)


def _time(card: ModelCard) -> float:
    """Estimate the time of a forward pass; comparable between networks."""
    return card.input.size**2 * _RELATIVE_TIME.get(card.architecture, _UNKNOWN_ARCHITECTURE)


def _passes(call: CheckedCall, card: ModelCard, targets: int) -> int:
    size = card.input.size
    try:
        # As a whole number: a stranger's method may return anything.
        passes = min(int(call.method.cost(call.parameters, (card.input.channels, size, size), targets)), _MOST_PASSES)
    except NotApplicable:  # the worker says so in its failure
        passes = 1
    except (Exception, SystemExit):  # noqa: BLE001 - a stranger's code; the worker will say what is wrong with it
        _LOG.warning("method %s cannot say what it costs", call.method.name, exc_info=True)
        passes = 1
    return max(1, passes)
