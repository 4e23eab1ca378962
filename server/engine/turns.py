"""Who is next for a worker: fair shares of its time between priorities, callers and their jobs.

Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996), one level in another: the workers' time is shared between
the priorities by weight, within a priority equally between callers, and within a caller equally between jobs. A job's
own items come in the order of their plan. Who comes anew is next as soon as a worker is free, however much others have
asked for; who has had more than his share waits for it.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable

from .order import Priority
from .ticket import Claim, Turn

__all__ = ["FairTurns"]

_WEIGHTS = {Priority.INTERACTIVE: 16.0, Priority.BATCH: 1.0}
_LOAD_S = 0.5
"""What a network that is warm may cost more than the next one that is not, and still come first: loading takes that."""


class FairTurns:
    """What waits for a worker, and the order in which it gets one."""

    def __init__(self) -> None:
        self._root = _Branches()
        self._length = 0

    def push(self, one: Claim, *, again: bool = False) -> None:
        """Add something; at the front of its job if its worker was lost and it had its turn already."""
        line = self._root
        for key, weight in _path(one.turn):
            line = line.branch(key, weight)
        line.claims.insert(0 if again else len(line.claims), one)
        self._length += 1

    def remove(self, one: Claim) -> bool:
        """Take something out; False if it does not wait."""
        line, path = self._root, [key for key, _ in _path(one.turn)]
        for key in path:
            if key not in line.branches:
                return False
            line = line.branches[key]
        if one not in line.claims:
            return False
        line.claims.remove(one)
        self._root.prune(path)
        self._length -= 1
        return True

    def pop(self, warm: Collection[tuple[str, int]]) -> tuple[Claim, ...]:
        """Take out what is next for a worker: one, and all that shares its passes; empty if nothing waits.

        Parameters
        ----------
        warm
            Networks that are loaded where it could go. Of items of a job that cost nearly the same, one whose network
            is loaded comes first.
        """
        if not self._length:
            return ()
        taken = self._root.pop(warm)
        self._length -= len(taken)
        return taken

    def charge(self, turn: Turn, seconds: float) -> None:
        """Count what something cost that it was not estimated to cost, seconds; less than 0 where it cost less."""
        branches = self._root
        for key, weight in _path(turn):
            branches.charge(key, seconds / weight)
            if key not in branches.branches:
                return
            branches = branches.branches[key]

    def waiting_seconds(self, caller: Hashable, priority: Priority) -> float:
        """Return the estimated cost of what waits for a caller."""
        above = self._root.branches.get(priority)
        below = above.branches.get(caller) if above is not None else None
        return sum(one.turn.seconds for job in below.branches.values() for one in job.claims) if below else 0.0

    def __len__(self) -> int:
        """Return how many wait."""
        return self._length


class _Branches:
    """Shares turns between what is below it; at the lowest level, the line of one job."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.branches: dict[Hashable, _Branches] = {}
        self._weights: dict[Hashable, float] = {}
        self._starts: dict[Hashable, float] = {}
        """Where each branch stands in virtual time: its next turn starts then. Those that wait for nothing stay until
        the others have come as far."""
        self._now = 0.0

    def branch(self, key: Hashable, weight: float) -> _Branches:
        """Return a branch that has something to wait for from now on: it has no claim to the time before."""
        if key not in self.branches:
            self.branches[key] = _Branches()
            self._weights[key] = weight
            self._starts[key] = max(self._now, self._starts.get(key, 0.0))
        return self.branches[key]

    def pop(self, warm: Collection[tuple[str, int]]) -> tuple[Claim, ...]:
        if self.claims:
            return self._pop_claim(warm)
        key = min(self.branches, key=self._starts.__getitem__)
        self._now = self._starts[key]
        taken = self.branches[key].pop(warm)
        self._starts[key] += sum(one.turn.seconds for one in taken) / self._weights[key]
        self.prune([key])
        self._starts = {one: at for one, at in self._starts.items() if one in self.branches or at > self._now}
        return taken

    def charge(self, key: Hashable, seconds: float) -> None:
        if key in self._starts:
            self._starts[key] = max(self._now, self._starts[key] + seconds)

    def prune(self, path: list[Hashable]) -> None:
        """Remove what has nothing to wait for along a path."""
        if not path:
            return
        below = self.branches[path[0]]
        below.prune(path[1:])
        if not below.branches and not below.claims:
            del self.branches[path[0]], self._weights[path[0]]

    def _pop_claim(self, warm: Collection[tuple[str, int]]) -> tuple[Claim, ...]:
        bound = self.claims[0].turn.seconds + _LOAD_S
        chosen = next(
            (one for one in self.claims if one.model in warm and one.turn.seconds <= bound),
            self.claims[0],
        )
        shares = chosen.turn.shares
        others = (
            [] if shares is None else [one for one in self.claims if one.turn.shares == shares and one is not chosen]
        )
        for one in (chosen, *others):
            self.claims.remove(one)
        return chosen, *others


def _path(turn: Turn) -> list[tuple[Hashable, float]]:
    """Return the branches down to a job's line, each with its weight."""
    return [(turn.priority, _WEIGHTS[turn.priority]), (turn.caller, 1.0), (turn.job_id, 1.0)]
