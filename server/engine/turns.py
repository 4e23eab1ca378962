"""Who is next for a worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Protocol

from .ticket import Claim

__all__ = ["FirstComeFirstServed", "Turns"]


class Turns(Protocol):
    """The tasks that wait for a worker, and the order in which they get one."""

    def push(self, claim: Claim, *, again: bool = False) -> None:
        """Add a task; `again` if its worker was lost and it had its turn already."""

    def remove(self, claim: Claim) -> bool:
        """Take a task out; False if it does not wait."""

    def pop(self, warm: Collection[tuple[str, int]]) -> Claim | None:
        """Take out the task whose turn it is on a worker with these networks warm; None if there is none."""

    def __len__(self) -> int:
        """Return how many wait."""


class FirstComeFirstServed:
    """Tasks in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: deque[Claim] = deque()

    def push(self, claim: Claim, *, again: bool = False) -> None:
        """Add a task at the end; at the front if it had its turn already."""
        if again:
            self._waiting.appendleft(claim)
        else:
            self._waiting.append(claim)

    def remove(self, claim: Claim) -> bool:
        """Take a task out; False if it does not wait."""
        try:
            self._waiting.remove(claim)
        except ValueError:
            return False
        return True

    def pop(self, warm: Collection[tuple[str, int]]) -> Claim | None:
        """Take out the first task, whatever is warm: loading a network is short beside explaining one."""
        return self._waiting.popleft() if self._waiting else None

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)
