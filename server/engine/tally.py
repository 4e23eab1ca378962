"""The account of a job's items: turns what workers say into events, and knows what is missing in the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from .events import Event, Failure, Heatmap, Item, ItemSummary, ModelInput, Progress
from .job import StopCause
from .plan import PlannedItem
from .task import (
    FailureReason,
    WorkerDone,
    WorkerEvent,
    WorkerFailure,
    WorkerInput,
    WorkerMap,
    WorkerProgress,
)

__all__ = ["Tally", "stopped"]

_STOPS = (FailureReason.CANCELLED, FailureReason.DEADLINE)


@dataclass
class _Account:
    planned: PlannedItem
    seconds: float
    asked_at: float = field(default_factory=time.monotonic)
    share: float = 0.0
    delivered: list[str] = field(default_factory=list)
    elapsed_s: float = 0.0
    waited_s: float = 0.0
    forward_passes: int = 0
    measured_passes: int = 0
    failure: FailureReason | None = None
    ended: bool = False
    cut: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(label for label in self.planned.item.labels if label not in self.delivered)

    def end(self, elapsed_s: float, passes: int, measured: int, failure: FailureReason | None) -> None:
        self.elapsed_s = elapsed_s
        self.waited_s = max(0.0, time.monotonic() - self.asked_at - elapsed_s)
        self.forward_passes, self.measured_passes = passes, measured
        self.failure = failure
        self.ended = True
        self.share = 1.0


class Tally:
    """What became of the items of one job.

    Parameters
    ----------
    planned
        The items, in the order in which they are started.
    """

    def __init__(self, planned: Sequence[PlannedItem]) -> None:
        self._accounts = {one.task.item_id: _Account(one, one.estimate.seconds) for one in planned}
        self._cost = sum(one.estimate.seconds for one in planned)
        self._fraction = 0.0
        self._inputs_seen: set[tuple[str, int]] = set()

    @property
    def job_fraction(self) -> float:
        """Share of the job's work that is done, in [0, 1]; an item that ended counts whole, however it did.

        It never falls: where an item starts again since its worker was lost, it stands still until that has caught up.
        """
        if self._cost:
            self._fraction = max(self._fraction, 1.0 - self.remaining_s / self._cost)
        return self._fraction if self._cost else 1.0

    @property
    def remaining_s(self) -> float:
        """What is still to be done, in estimated seconds of a worker."""
        return sum(account.seconds * (1 - account.share) for account in self._accounts.values())

    @property
    def stopped_short(self) -> bool:
        """Whether an item ended because the job was stopped."""
        return any(account.cut or account.failure in _STOPS for account in self._accounts.values())

    def take(self, item_id: str, event: WorkerEvent, cause: StopCause | None) -> Iterator[Event]:
        """Account for what a worker says.

        Parameters
        ----------
        item_id
            The item that the worker is at.
        event
            What it says.
        cause
            Why the job was stopped, None if it was not.

        Yields
        ------
        Event
            What the caller gets to know of it.
        """
        account = self._accounts[item_id]
        planned = account.planned
        match event:
            case WorkerProgress(done=done, total=total):
                account.share = done / total if total else 0.0
                yield Progress(planned.item, done, total, self.job_fraction)
            case WorkerMap(target=target, final=final):
                label = planned.labels[target]
                if final:
                    account.delivered.append(label)
                yield _heatmap(planned, label, event)
            case WorkerInput(tensor=tensor, affine=affine):
                # Every item of a network brings it, so that it comes even if the first one fails.
                model = (planned.item.model, planned.item.version)
                yield from self.once(ModelInput(*model, tensor, affine))
            case WorkerDone(forward_passes=passes, elapsed_s=elapsed, measured_passes=measured):
                account.end(elapsed, passes, measured, None)
            case WorkerFailure(reason=reason, message=message):
                self._hand_on(account)
                if reason is FailureReason.CANCELLED and cause is not None:
                    reason, message = stopped(cause)
                account.cut = reason in _STOPS
                # Where every map was delivered, what is missing of their measures they say themselves.
                failure = reason if account.missing else None
                account.end(event.elapsed_s, event.forward_passes, event.measured_passes, failure)
                if account.missing:
                    yield Failure(_only(planned.item, account.missing), reason, message)

    def _hand_on(self, failed: _Account) -> None:
        """Have the next of those that share passes pay for them, since the one that was to make them failed."""
        number = failed.planned.estimate.shared_pass
        others = (one for one in self._accounts.values() if one.planned.estimate.shared_pass == number)
        heir = next((one for one in others if number and not one.ended and one is not failed), None)
        if heir is not None:
            heir.seconds, failed.seconds = heir.seconds + failed.seconds, 0.0

    def once(self, seen: ModelInput) -> Iterator[Event]:
        """Yield an input if its network's has not been told yet."""
        model = (seen.model, seen.version)
        if model not in self._inputs_seen:
            self._inputs_seen.add(model)
            yield seen

    def close(self, cause: StopCause | None) -> Iterator[Event]:
        """End every item that has not ended, and yield its failure."""
        reason, message = stopped(cause or StopCause.CALLER)
        for account in self._accounts.values():
            if not account.ended:
                account.end(0.0, 0, 0, reason)
                yield Failure(_only(account.planned.item, account.missing), reason, message)

    def summaries(self) -> tuple[ItemSummary, ...]:
        """Return what became of every item, in the order in which they were started."""
        return tuple(
            ItemSummary(
                item=account.planned.item,
                delivered=tuple(account.delivered),
                elapsed_s=account.elapsed_s,
                waited_s=account.waited_s,
                forward_passes=account.forward_passes,
                measured_passes=account.measured_passes,
                failure=account.failure,
            )
            for account in self._accounts.values()
        )


def stopped(cause: StopCause) -> tuple[FailureReason, str]:
    """Return why something is missing of a job that was stopped: the reason, and its words."""
    return FailureReason.DEADLINE if cause is StopCause.DEADLINE else FailureReason.CANCELLED, cause.value


def _only(item: Item, labels: tuple[str, ...]) -> Item:
    return replace(item, labels=labels)


def _heatmap(planned: PlannedItem, label: str, event: WorkerMap) -> Heatmap:
    return Heatmap(
        item=planned.item,
        label=label,
        parameters=planned.parameters,
        output=planned.task.output,
        output_value=event.output_value,
        final=event.final,
        fraction=event.fraction,
        signed=planned.call.method.signed,
        completeness=planned.call.method.completeness,
        convergence_delta=event.convergence_delta,
        heatmap=event.heatmap,
        attribution=event.values,
        affine=event.affine,
        elapsed_s=event.elapsed_s,
        facts=event.facts,
        verdict=planned.verdicts.get(label),
        resampling_error=event.resampling_error,
        measurements=event.measurements,
        precision=planned.task.precision,
    )
