"""One task while it runs: what became of it so far, and how it tells."""

from __future__ import annotations

import time
import traceback
import uuid
from collections.abc import Callable

from ...handlers.errors import HandlersError
from ...plugins import Cancelled, InvalidResult, ObservedModel, PluginsError
from .task import FailureReason, ItemTask, WorkerEvent, WorkerFailure, WorkerMap, WorkerProgress

__all__ = ["TaskRun", "check_progress", "new_error_id", "place_of"]

_PROGRESS_S = 0.1
"""Progress is worth an event this often, seconds."""


class TaskRun:
    """One task while it runs; the `Job` that its method sees.

    Parameters
    ----------
    task : ItemTask
        What to do.
    emit : callable
        Takes the events.
    cancelled : callable
        Whether to stop.

    Attributes
    ----------
    missing : list of int
        The targets without a final map.
    model : ObservedModel or None
        What the method sees, once it is there.
    setup_s : float
        Time until its method began: loading the network.
    measured_passes : int
        Samples that measures sent forward.
    measured_s : float
        Time that measures took.
    measured_processor_s : float
        The processor's time for them, all threads together.
    doing : str
        What is at work, in words, where it is not the method.
    """

    def __init__(self, task: ItemTask, emit: Callable[[WorkerEvent], None], cancelled: Callable[[], bool]) -> None:
        self.task = task
        self.emit = emit
        self.missing = list(task.targets)
        self.model: ObservedModel | None = None
        self.setup_s = 0.0
        self.measured_passes = 0
        self.measured_s = 0.0
        self.measured_processor_s = 0.0
        self._begun = time.process_time()
        self.doing = ""
        self._cancelled = cancelled
        self._started = time.monotonic()
        self._reported = 0.0
        self._method_work = 0
        self._measures_work = 0
        self._method_done = 0
        self._shown = 0

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._started

    def begin(self) -> None:
        """Have the method begin, now that its network is there."""
        self.setup_s = self.elapsed
        self._begun = time.process_time()

    @property
    def processor_s(self) -> float:
        """Seconds of the processor since its method began, those for measures left out."""
        return time.process_time() - self._begun - self.measured_processor_s

    @property
    def forward_passes(self) -> int:
        """Samples that went forward."""
        return self.measured_passes + (self.model.forward_passes if self.model is not None else 0)

    @property
    def wants_partial(self) -> bool:
        """Whether the client looks at partial maps."""
        return self.task.partial

    def expect(self, method: int, measures: int) -> None:
        """Have progress be of a whole that measures are part of.

        Parameters
        ----------
        method, measures : int
            What the method, and what all measures of all maps announce, in forward passes or their equivalent.
        """
        self._method_work, self._measures_work = method, measures

    def check(self) -> None:
        """Raise `Cancelled` where the task was."""
        if self._cancelled():
            raise Cancelled

    def progress(self, done: int, total: int) -> None:
        """Report what the method has done."""
        check_progress(done, total)
        if not self._measures_work:
            self._tell(int(done), int(total), now=done == total)
            return
        self._method_done = int(self._method_work * done / total) if total else self._method_work
        self._tell_whole(0)

    def measured(self, done: int) -> None:
        """Report what the measures have done, of what all of them announce. The method is at its end."""
        self._method_done = self._method_work
        self._tell_whole(done)

    def complete(self) -> None:
        """Report that measures, too, are at their end."""
        total = self._method_work + self._measures_work
        self._tell(total, total, now=True)

    def _tell_whole(self, measured: int) -> None:
        total = self._method_work + self._measures_work
        # Each may announce one thing and do another: it never falls, and only the end is the end.
        self._shown = max(self._shown, min(self._method_done + measured, total - 1))
        self._tell(self._shown, total)

    def _tell(self, done: int, total: int, *, now: bool = False) -> None:
        time_now = time.monotonic()
        if now or time_now - self._reported >= _PROGRESS_S:
            self._reported = time_now
            self.emit(WorkerProgress(done, total))

    def deliver(self, made: WorkerMap) -> None:
        """Hand out a map."""
        if made.final:
            self.missing.remove(made.target)
        self.emit(made)

    def fail(self, reason: FailureReason, message: str, error: BaseException | None = None) -> None:
        """End it with a failure; where an error is given, under an id for the server's log."""
        error_id = new_error_id() if error is not None else None
        self.emit(
            WorkerFailure(
                reason=reason,
                message=f"{message} (error {error_id})" if error_id else message,
                missing=tuple(self.missing),
                error_id=error_id,
                details=place_of(error) if error is not None else None,
                forward_passes=self.forward_passes,
                elapsed_s=self.elapsed,
                measured_passes=self.measured_passes,
            )
        )


def check_progress(done: int, total: int) -> None:
    """Refuse progress that cannot be.

    Raises
    ------
    InvalidResult
        If it is not 0 <= done <= total.
    """
    if not 0 <= done <= total:
        raise InvalidResult(f"progress must be reported as 0 <= done <= total, not {done!r} of {total!r}")


def new_error_id() -> str:
    """Make up what to look for in the server's log."""
    return uuid.uuid4().hex[:12]


def place_of(error: BaseException) -> str:
    """Say what was raised where. An error's words may quote pixels, so only our own are repeated."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames[-12:]]
    words = f": {error}" if isinstance(error, (HandlersError, PluginsError)) else ""
    return "\n".join([f"{type(error).__module__}.{type(error).__qualname__}{words}", *lines])
