"""What is worked on, and in which order: cheap items first, so that the first heatmap comes at once."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from itertools import count
from typing import Any

from ...handlers.card import ModelCard
from ...handlers.repository import ENSEMBLE, Repository
from ...plugins import Need, Registry
from .check_measures import CheckedMeasure
from .costs import CostModel, Effort, MeasureEffort
from .events import Item, ItemEstimate, Target, Verdict
from .order import ExplainOrder
from .passes import MeasurePasses, is_adaptive, measure_passes, method_passes
from .task import ItemTask, MeasureTask, ModelRef, Output, Precision, VoterRef, WorkerDone, WorkerEvent, WorkerMap
from .validate import CheckedCall

__all__ = ["Explained", "PlannedItem", "Planner", "grid_of"]

_LOG = logging.getLogger(__name__)


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
    effort
        What the method is to do; no passes where another one's are shared.
    measures
        What each of its measures is to do, by name.
    measured
        What of the estimate the measures of all maps are.
    shared
        What measures of all items of the network share, by name; the first item has its cost.
    """

    item: Item
    task: ItemTask
    call: CheckedCall
    parameters: Mapping[str, Any]
    labels: Mapping[int, str]
    estimate: ItemEstimate
    shares: Hashable | None
    verdicts: Mapping[str, Verdict]
    effort: Effort
    measures: Mapping[str, MeasureEffort] = field(default_factory=dict)
    measured: ItemEstimate = field(default_factory=ItemEstimate)
    shared: Mapping[Hashable, ItemEstimate] = field(default_factory=dict)


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
        self,
        job_id: str,
        order: ExplainOrder,
        calls: Sequence[CheckedCall],
        explained: Sequence[Explained],
        measures: Sequence[CheckedMeasure] = (),
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
        measures
            What to measure of the networks' maps.

        Returns
        -------
        tuple of PlannedItem
            By estimated cost, cheapest first. Items that share passes follow each other; the first has their cost, and
            each that of its own measures. What measures share is in the cost of a network's first item.
        """
        together: dict[Hashable, list[PlannedItem]] = {}
        pairs = ((call, one) for call in calls for one in explained if one.targets)
        for number, (call, one) in enumerate(pairs):
            item = self._item(job_id, f"{job_id}/{number}", order, call, one, measures)
            together.setdefault(number if item.shares is None else item.shares, []).append(item)
        groups = sorted(together.values(), key=lambda group: max(item.estimate.seconds for item in group))
        numbers = count(1)
        ordered = (item for group in groups for item in (_sharing(group, numbers) if len(group) > 1 else group))
        return tuple(_paying(ordered))

    def seconds(
        self,
        calls: Sequence[CheckedCall],
        networks: Sequence[Sequence[ModelCard]],
        labels: int,
        measures: Sequence[CheckedMeasure] = (),
        precision: Precision = Precision.FLOAT32,
    ) -> float:
        """Estimate what a request will cost a worker before it is known which labels are explained.

        Parameters
        ----------
        calls
            The methods.
        networks
            Cards of each network to explain; several where the vote of these is explained.
        labels
            How many labels are likely to be explained.
        measures
            What to measure of the networks' maps.
        precision
            In which networks compute.
        """
        measured = 0.0
        shared: dict[Hashable, ItemEstimate] = {}
        dearest: dict[Hashable, float] = {}
        for number, (call, cards) in enumerate((call, cards) for call in calls for cards in networks):
            card = grid_of(cards)
            name = card.name if len(cards) == 1 else ENSEMBLE
            effort = _effort(call, (name, card.version), card, cards, min(labels, len(card.labels)), precision)
            if name != ENSEMBLE:
                of_item, of_network = self._measured(effort, _measuring(call, card, effort, measures))
                measured += of_item.seconds
                shared = of_network | shared
            cost = self.costs.seconds(effort)
            shares = self._shares(call, name)
            key = number if shares is None else shares
            dearest[key] = max(dearest.get(key, 0.0), cost)
        return sum(dearest.values()) + measured + sum(one.seconds for one in shared.values())

    def learn(self, planned: PlannedItem, event: WorkerEvent) -> None:
        """Take in what an item, or the measures of one of its maps, cost.

        Parameters
        ----------
        planned
            The item.
        event
            What the worker says of it.
        """
        if isinstance(event, WorkerDone) and event.forward_passes > event.measured_passes:
            seconds = event.elapsed_s - event.setup_s - event.measured_s
            # What is fast in bfloat16 says little of float32.
            whole = not event.partial_passes and planned.effort.precision is Precision.FLOAT32
            self.costs.learn(planned.effort, seconds, event.processor_s, whole=whole)
        elif isinstance(event, WorkerMap):
            for one in event.measurements:
                if not one.refusal and one.measure in planned.measures:
                    effort = planned.measures[one.measure]
                    self.costs.learn_measure(effort, one.passes, one.elapsed_s, one.processor_s)

    def _measured(
        self, effort: Effort, measures: Sequence[tuple[MeasureEffort, MeasurePasses]]
    ) -> tuple[ItemEstimate, dict[Hashable, ItemEstimate]]:
        """Estimate the measures of an item's maps; apart, and by name, what only the network's first map has."""
        whole = ItemEstimate()
        apart: dict[Hashable, ItemEstimate] = {}
        for one, passes in measures:
            cost = partial(self.costs.measure_seconds, one)
            if (shared := passes.shared) is not None:
                apart[effort.version, shared.name] = ItemEstimate(shared.passes, cost(shared.passes))
            total = effort.targets * passes.each + passes.runs
            whole = _more(whole, total, cost(total))
        return whole, apart

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

    def _item(
        self,
        job_id: str,
        item_id: str,
        order: ExplainOrder,
        call: CheckedCall,
        one: Explained,
        measures: Sequence[CheckedMeasure],
    ) -> PlannedItem:
        card, name = one.card, call.method.name
        labels = {card.label_names.index(target.label): target.label for target in one.targets}
        effort = _effort(call, (one.model, one.version), card, one.voters or (card,), len(labels), order.precision)
        parameters = dict(effort.parameters)
        measures = () if one.voters else measures
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
            measures=tuple(MeasureTask(it.measure.name, it.parameters.model_dump(mode="json")) for it in measures),
            precision=order.precision,
        )
        item = Item(one.model, one.version, name, tuple(labels.values()))
        measuring = _measuring(call, card, effort, measures)
        measured, shared = self._measured(effort, measuring)
        return PlannedItem(
            item=item,
            task=task,
            call=call,
            parameters=parameters,
            labels=labels,
            estimate=ItemEstimate(effort.passes + measured.passes, self.costs.seconds(effort) + measured.seconds),
            shares=self._shares(call, one.model),
            verdicts=one.verdicts,
            effort=effort,
            measures={it.measure: it for it, _ in measuring},
            measured=measured,
            shared=shared,
        )


def _effort(
    call: CheckedCall,
    version: tuple[str, int],
    card: ModelCard,
    cards: Sequence[ModelCard],
    targets: int,
    precision: Precision,
) -> Effort:
    passes = method_passes(call.method, call.parameters, _shape(card), targets)
    parameters = call.parameters.model_dump(mode="json")
    adaptive = is_adaptive(call.method, call.parameters)
    return Effort(call.method.name, version, tuple(cards), passes, parameters, targets, precision, adaptive)


def _measuring(
    call: CheckedCall, card: ModelCard, effort: Effort, measures: Sequence[CheckedMeasure]
) -> list[tuple[MeasureEffort, MeasurePasses]]:
    """Say what each measure of an item's maps is to do, and how much that is."""
    run = partial(method_passes, call.method, call.parameters, _shape(card))
    found = []
    for one in measures:
        passes = measure_passes(one.measure, one.parameters, _shape(card), effort.targets, run)
        parameters = one.parameters.model_dump(mode="json")
        found.append((MeasureEffort(one.measure.name, effort, passes.again, parameters), passes))
    return found


def _sharing(group: Sequence[PlannedItem], numbers: Iterator[int]) -> Iterator[PlannedItem]:
    """Give the dearest of items that share their passes the cost of all and the first place, and all one number."""
    number = next(numbers)
    first, *others = sorted(group, key=lambda item: item.measured.seconds - item.estimate.seconds)
    yield replace(first, estimate=replace(first.estimate, shared_pass=number))
    for item in others:
        shared = replace(item.effort, passes=0)
        yield replace(item, estimate=replace(item.measured, shared_pass=number), effort=shared)


def _paying(items: Iterable[PlannedItem]) -> Iterator[PlannedItem]:
    """Put what measures share into the cost of the first item that has it."""
    paid: set[Hashable] = set()
    for item in items:
        fresh = [cost for name, cost in item.shared.items() if name not in paid]
        paid.update(item.shared)
        passes, seconds = sum(one.passes for one in fresh), sum(one.seconds for one in fresh)
        yield replace(
            item, measured=_more(item.measured, passes, seconds), estimate=_more(item.estimate, passes, seconds)
        )


def _more(estimate: ItemEstimate, passes: int, seconds: float) -> ItemEstimate:
    return replace(estimate, passes=estimate.passes + passes, seconds=estimate.seconds + seconds)


def _plain(value: object) -> bool:
    """Whether a value is made of plain ones alone, whose comparison runs nobody's code."""
    if type(value) is tuple:
        return all(map(_plain, value))
    return value is None or type(value) in (str, int, float, bool) or (isinstance(value, Enum) and _plain(value.value))


def _shape(card: ModelCard) -> tuple[int, int, int]:
    return card.input.channels, card.input.size, card.input.size
