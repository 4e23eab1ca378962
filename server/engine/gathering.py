"""The aggregates of a job: which maps they wait for, and what becomes of them when all are there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...handlers.card import InputSpec
from ...handlers.geometry import fit
from ...handlers.repository import ENSEMBLE
from ...plugins import Completeness
from ..classifier import Classification
from .aggregation import Aggregation, Agreement, Evidence, Mean, agreement, majority, normalised_mean
from .events import AggregateOrigin, Event, Failure, Heatmap, Item, ItemSummary, Verdict
from .grids import resampling
from .job import StopCause
from .order import ExplainOrder
from .plan import Explained, grid_of
from .tally import stopped
from .task import FailureReason, FloatArray
from .validate import CheckedCall

__all__ = ["Aggregates", "Gathering", "PlannedAggregate", "plan_aggregates"]


@dataclass(frozen=True)
class PlannedAggregate:
    """One aggregation of the networks' maps by one method.

    Attributes
    ----------
    item
        What the caller sees of it.
    signed
        Whether the method's maps have a sign.
    parameters
        The method's, as JSON values.
    networks
        Names and versions of the networks whose maps it takes, in voting order.
    verdicts
        What the networks say of each label.
    height, width
        Size of the X-ray, pixels.
    spec
        Of the input on whose grid the maps meet: that of the largest of the networks.
    """

    item: Item
    signed: bool
    parameters: Mapping[str, Any]
    networks: tuple[tuple[str, int], ...]
    verdicts: Mapping[str, Verdict]
    height: int
    width: int
    spec: InputSpec

    @property
    def aggregation(self) -> Aggregation:
        """How maps are taken together."""
        assert self.item.aggregation is not None  # noqa: S101 - see `plan_aggregates`
        return self.item.aggregation


def plan_aggregates(
    order: ExplainOrder,
    calls: Sequence[CheckedCall],
    explained: Sequence[Explained],
    classification: Classification,
) -> tuple[PlannedAggregate, ...]:
    """Make one aggregate of every method in every way that is asked for, with all labels."""
    voting = {(answer.model, answer.version): place for place, answer in enumerate(classification.answers)}
    voters = [one for one in explained if (one.model, one.version) in voting]
    voters.sort(key=lambda one: voting[one.model, one.version])
    labels = tuple(target.label for target in voters[0].targets) if voters else ()
    if not labels:
        return ()
    networks = tuple((one.model, one.version) for one in voters)
    return tuple(
        PlannedAggregate(
            item=Item(
                ENSEMBLE, classification.set_version, call.method.name, labels, _worked_out(aggregation, len(networks))
            ),
            signed=call.method.signed,
            parameters=call.parameters.model_dump(mode="json"),
            networks=networks,
            verdicts=voters[0].verdicts,
            height=classification.height,
            width=classification.width,
            spec=grid_of([one.card for one in voters]).input,
        )
        for call in calls
        for aggregation in order.aggregations
    )


def _worked_out(aggregation: Aggregation, networks: int) -> Aggregation:
    if isinstance(aggregation, Agreement) and aggregation.networks == 0:
        return replace(aggregation, networks=majority(networks))
    return aggregation


@dataclass(frozen=True)
class Gathering:
    """The maps of one label, when no more will come.

    Attributes
    ----------
    planned, label
        What is made.
    maps
        Final maps by the network's name and version.
    failures
        Why the others gave none.
    """

    planned: PlannedAggregate
    label: str
    maps: Mapping[tuple[str, int], Heatmap] = field(repr=False)
    failures: Mapping[tuple[str, int], FailureReason]

    def make(self) -> Heatmap | Failure:
        """Aggregate; takes a processor for some milliseconds, so not in the event loop."""
        begin = time.monotonic()
        planned, how = self.planned, self.planned.aggregation
        item = replace(planned.item, labels=(self.label,))
        there = [network for network in planned.networks if network in self.maps]
        least = 2 if isinstance(how, Mean) else how.networks
        if len(there) < least:
            what = f"{len(there)} of {len(planned.networks)} networks gave a map, and at least {least} must"
            # Where the method does not apply to the others, nothing went wrong.
            refused = set(self.failures.values()) == {FailureReason.NOT_APPLICABLE}
            return Failure(item, FailureReason.NOT_APPLICABLE if refused else FailureReason.TOO_FEW_NETWORKS, what)
        affine = fit(planned.height, planned.width, planned.spec.size).affine
        maps = np.stack([self._moved(self.maps[network]) for network in there])
        if isinstance(how, Mean):
            plane, scales = normalised_mean(maps)
        else:
            plane, scales = agreement(maps, len(planned.networks), how)
        first = self.maps[there[0]]
        return Heatmap(
            item=planned.item,
            label=self.label,
            parameters=planned.parameters,
            output=first.output,
            output_value=float(np.mean([self.maps[network].output_value for network in there])),
            final=True,
            fraction=1.0,
            signed=planned.signed and isinstance(how, Mean),
            completeness=Completeness.NONE,
            convergence_delta=None,
            heatmap=plane,
            attribution=None,
            affine=affine,
            elapsed_s=time.monotonic() - begin,
            verdict=planned.verdicts.get(self.label),
            aggregate=AggregateOrigin(
                tuple((*network, scale) for network, scale in zip(there, scales, strict=True)),
                tuple(network for network in planned.networks if network not in there),
            ),
            precision=first.precision,
        )

    def _moved(self, one: Heatmap) -> FloatArray:
        planned = self.planned
        move = resampling(planned.height, planned.width, one.heatmap.shape[0], planned.spec.size)
        return move(one.heatmap).astype(np.float32)


@dataclass
class _Account:
    planned: PlannedAggregate
    maps: dict[str, dict[tuple[str, int], Heatmap]] = field(default_factory=dict)
    failures: dict[str, dict[tuple[str, int], FailureReason]] = field(default_factory=dict)
    awaited: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    delivered: list[str] = field(default_factory=list)
    elapsed_s: float = 0.0
    failure: FailureReason | None = None

    def __post_init__(self) -> None:
        for label in self.planned.item.labels:
            self.maps[label], self.failures[label] = {}, {}
            self.awaited[label] = set(self.planned.networks)


class Aggregates:
    """What became of the aggregates of one job.

    Parameters
    ----------
    planned
        In the order in which they are told.
    """

    def __init__(self, planned: Sequence[PlannedAggregate]) -> None:
        self._accounts = [_Account(one) for one in planned]

    def refusals(self) -> Iterator[Failure]:
        """Yield a failure for every aggregate that cannot be, whatever maps come."""
        for account in self._accounts:
            item, how = account.planned.item, account.planned.aggregation
            if isinstance(how, Agreement) and how.evidence is Evidence.AGAINST and not account.planned.signed:
                account.awaited.clear()
                account.settled.update(item.labels)
                account.failure = FailureReason.NOT_APPLICABLE
                what = f"maps of {item.method} have no sign, so there is no evidence against"
                yield Failure(item, FailureReason.NOT_APPLICABLE, what)

    def ready(self, event: Event) -> list[Gathering]:
        """Take what happened, and return the gatherings that it completes; each is returned once."""
        if isinstance(event, Heatmap) and event.final:
            labels: tuple[str, ...] = (event.label,)
        elif isinstance(event, Failure):
            labels = event.item.labels
        else:
            return []
        network = (event.item.model, event.item.version)
        found = []
        for account in self._accounts:
            if account.planned.item.method != event.item.method:
                continue
            for label in labels:
                awaited = account.awaited.get(label, set())
                if network not in awaited:
                    continue
                awaited.remove(network)
                if isinstance(event, Heatmap):
                    account.maps[label][network] = event
                else:
                    account.failures[label][network] = event.reason
                if not awaited:
                    maps, failures = account.maps.pop(label), account.failures[label]
                    found.append(Gathering(account.planned, label, maps, failures))
        return found

    def settle(self, made: Sequence[tuple[Gathering, Heatmap | Failure]]) -> list[Heatmap | Failure]:
        """Note what gatherings gave, and return it, with what failed alike for several labels as one failure."""
        told: list[Heatmap | Failure] = []
        for gathering, one in made:
            self._note(gathering, one)
            last = told[-1] if told else None
            if isinstance(one, Failure) and isinstance(last, Failure):
                labels = last.item.labels + one.item.labels
                if replace(one, item=replace(one.item, labels=last.item.labels)) == last:
                    told[-1] = replace(last, item=replace(last.item, labels=labels))
                    continue
            told.append(one)
        return told

    def _note(self, gathering: Gathering, made: Heatmap | Failure) -> None:
        account = next(one for one in self._accounts if one.planned is gathering.planned)
        account.settled.add(gathering.label)
        if isinstance(made, Heatmap):
            account.delivered.append(gathering.label)
            account.elapsed_s += made.elapsed_s
        else:
            account.failure = made.reason

    def close(self, cause: StopCause | None) -> Iterator[Event]:
        """End every aggregate that has not ended, and yield its failure."""
        reason, message = stopped(cause or StopCause.CALLER)
        for account in self._accounts:
            item = account.planned.item
            missing = tuple(label for label in item.labels if label not in account.settled)
            if missing:
                account.failure = reason
                account.settled.update(missing)
                yield Failure(replace(item, labels=missing), reason, message)

    def summaries(self) -> tuple[ItemSummary, ...]:
        """Return what became of every aggregate."""
        return tuple(
            ItemSummary(one.planned.item, tuple(one.delivered), one.elapsed_s, 0.0, 0, one.failure)
            for one in self._accounts
        )
