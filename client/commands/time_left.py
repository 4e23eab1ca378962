"""How long a job probably still takes: first as the server estimates, soon as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.progress import ProgressColumn, Task
from rich.text import Text

from .durations import in_words

__all__ = ["TimeLeft", "TimeLeftColumn"]

# The server's estimate counts as much as having seen this share of the job's work: it is rough, and the job knows best.
_WEIGHT = 0.05


class TimeLeft:
    """Learns from a job's progress.

    Parameters
    ----------
    clock : callable
        Seconds that pass.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._estimated_s: float | None = None
        self._until: float | None = None
        self._begun: tuple[float, float] | None = None
        self._fraction = 0.0

    def plan(self, work_s: float | None, wait_s: float | None) -> None:
        """Take the server's estimates.

        Parameters
        ----------
        work_s, wait_s : float, optional
            Time that one worker needs, and time until it begins, in seconds. None: the server does not tell.
        """
        self._estimated_s = work_s
        self._until = self._clock() + (wait_s or 0.0)

    def progress(self, fraction: float) -> None:
        """Take in how far the job is.

        Parameters
        ----------
        fraction : float
            Share of its work that is done, in [0, 1].
        """
        if self._begun is None:
            self._begun = (self._clock(), fraction)
        self._fraction = max(self._fraction, fraction)

    def seconds(self) -> float | None:
        """Return the seconds that are probably left; None where nothing is known, or the estimate has proved too low.

        Work that stands still makes them more, not fewer.
        """
        now = self._clock()
        if self._begun is None:
            if self._estimated_s is None or self._until is None or now > self._until + self._estimated_s:
                return None
            return max(0.0, self._until - now) + self._estimated_s
        at, before = self._begun
        spent, done = now - at, self._fraction - before
        if self._estimated_s is not None:
            spent, done = spent + _WEIGHT * self._estimated_s, done + _WEIGHT
        return spent / done * (1 - self._fraction) if done > 0 else None

    def words(self) -> str:
        """Say it; nothing where it is not known."""
        left = self.seconds()
        return "" if left is None else f"about {in_words(left)} left"


class TimeLeftColumn(ProgressColumn):
    """Shows it beside one bar.

    Parameters
    ----------
    left : TimeLeft
        What to show.
    """

    max_refresh = 0.5

    def __init__(self, left: TimeLeft) -> None:
        super().__init__()
        self._left = left

    def render(self, task: Task) -> Text:
        """Show it beside the task that has a field ``whole``."""
        return Text(self._left.words() if task.fields.get("whole") else "")
