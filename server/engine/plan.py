"""What is worked on, and in which order: cheap items first, so that the first heatmap comes at once."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import count
from typing import Any

from ...handlers.card import ModelCard
from ...handlers.repository import ENSEMBLE, Repository
from ...plugins import Need, NotApplicable, Registry
from .costs import CostModel
from .events import Item, ItemEstimate, Target, Verdict
from .order import ExplainOrder
from .task import ItemTask, ModelRef, Output, VoterRef
from .validate import CheckedCall

__all__ = ["Explained", "PlannedItem", "Planner", "grid_of"]

_LOG = logging.getLogger(__name__)

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
    estimate
        What it will cost a worker.
    shares
        Names the passes that it shares with others of its job; None where it shares none.
    verdicts
        What the networks say of the labels.
    """

    item: Item
    task: ItemTask
    call: CheckedCall
    parameters: Mapping[str, Any]
    labels: Mapping[int, str]
    estimate: ItemEstimate
    shares: Hashable | None
    verdicts: Mapping[str, Verdict]


@dataclass(frozen=True)
class Planner:
    """Makes items of a request, and knows what they cost.

    Attributes
    ----------
    registry
        The methods.
    repository
        Where the networks' TorchScript copies are.
    costs
        What items cost.
    """

    registry: Registry
    repository: Repository
    costs: CostModel

    def plan(
        self, job_id: str, order: ExplainOrder, calls: Sequence[CheckedCall], explained: Sequence[Explained]
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

        Returns
        -------
        tuple of PlannedItem
            By estimated cost, cheapest first. Items that share passes follow each other; the first has their cost.
        """
        together: dict[Hashable, list[PlannedItem]] = {}
        pairs = ((call, one) for call in calls for one in explained if one.targets)
        for number, (call, one) in enumerate(pairs):
            item = self._item(job_id, f"{job_id}/{number}", order, call, one)
            together.setdefault(number if item.shares is None else item.shares, []).append(item)
        groups = sorted(together.values(), key=lambda group: max(item.estimate.seconds for item in group))
        numbers = count(1)
        return tuple(item for group in groups for item in (_sharing(group, numbers) if len(group) > 1 else group))

    def seconds(self, calls: Sequence[CheckedCall], networks: Sequence[Sequence[ModelCard]], labels: int) -> float:
        """Estimate what a request will cost a worker before it is known which labels are explained.

        Parameters
        ----------
        calls
            The methods.
        networks
            Cards of each network to explain; several where the vote of these is explained.
        labels
            How many labels are likely to be explained.
        """
        dearest: dict[Hashable, float] = {}
        for number, (call, cards) in enumerate((call, cards) for call in calls for cards in networks):
            card = grid_of(cards)
            name = card.name if len(cards) == 1 else ENSEMBLE
            passes = _passes(call, card, min(labels, len(card.labels)))
            cost = self.costs.seconds(call.method.name, (name, card.version), cards, passes)
            shares = self._shares(call, name)
            key = number if shares is None else shares
            dearest[key] = max(dearest.get(key, 0.0), cost)
        return sum(dearest.values())

    def _shares(self, call: CheckedCall, model: str) -> Hashable | None:
        """Name the passes on a network that a method shares with others of its distribution; None where it does not."""
        method = call.method
        try:
            passes = method.shared_passes(call.parameters)
            lifted = Need.MODULES in method.needs_of(call.parameters)
        except (Exception, SystemExit):  # noqa: BLE001 - a stranger's code
            _LOG.warning("method %s cannot say what it shares", method.name, exc_info=True)
            return None
        if passes is None or model == ENSEMBLE:  # nothing is kept of a vote
            return None
        if not _plain(passes):
            _LOG.warning("method %s names what it shares by something else than str, numbers and tuples", method.name)
            return None
        return self.registry.origins[method.name], model, lifted, passes

    def _item(self, job_id: str, item_id: str, order: ExplainOrder, call: CheckedCall, one: Explained) -> PlannedItem:
        card, name = one.card, call.method.name
        labels = {card.label_names.index(target.label): target.label for target in one.targets}
        parameters = call.parameters.model_dump(mode="json")
        task = ItemTask(
            job_id=job_id,
            item_id=item_id,
            image=order.image,
            model=ModelRef.of(card, self.repository),
            method=name,
            parameters=parameters,
            targets=tuple(labels),
            output=order.output or (Output.VOTES if one.voters else Output.LOGIT),
            partial=order.partial,
            want_input=order.inputs,
            want_attribution=order.attributions,
            voters=tuple(VoterRef.of(voter, self.repository) for voter in one.voters),
        )
        item = Item(one.model, one.version, name, tuple(labels.values()))
        passes = _passes(call, card, len(labels))
        seconds = self.costs.seconds(name, (one.model, one.version), one.voters or (card,), passes)
        estimate = ItemEstimate(passes, seconds)
        shares = self._shares(call, one.model)
        return PlannedItem(item, task, call, parameters, labels, estimate, shares, one.verdicts)


def _sharing(group: Sequence[PlannedItem], numbers: Iterator[int]) -> Iterator[PlannedItem]:
    """Give the dearest of items that share their passes the cost of all and the first place, and all one number."""
    number = next(numbers)
    first, *others = sorted(group, key=lambda item: -item.estimate.seconds)
    yield replace(first, estimate=replace(first.estimate, shared_pass=number))
    for item in others:
        yield replace(item, estimate=ItemEstimate(0, 0.0, number))


def _plain(value: object) -> bool:
    """Whether a value is made of plain ones alone, whose comparison runs nobody's code."""
    if type(value) is tuple:
        return all(map(_plain, value))
    return value is None or type(value) in (str, int, float, bool) or (isinstance(value, Enum) and _plain(value.value))


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
