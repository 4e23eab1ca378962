"""Who is next for a worker: fair shares of its time between priorities, callers and their jobs.

Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996), one level in another: the workers' time is shared between
the priorities by weight, within a priority equally between callers, and within a caller equally between jobs. A job's
own items come in the order of their plan. Who comes anew is next as soon as a worker is free, however much others have
asked for; who has had more than his share waits for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable

from .order import Priority
from .ticket import Claim, Memory, Turn

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
        found = self._root.remove(_path(one.turn), one)
        self._length -= found
        return found

    def pop(
        self,
        warm: Collection[tuple[str, int]],
        here: Collection[Memory] = (),
        elsewhere: Collection[Memory] = (),
    ) -> tuple[Claim, ...]:
        """Take out what is next for a worker: one, and all that shares its passes; empty if nothing waits.

        Parameters
        ----------
        warm
            Networks that are loaded where it could go. Of items of a job that cost nearly the same, one whose network
            is loaded comes first.
        here, elsewhere
            What is remembered where it could go, and by other workers. Of items of a job that are better off where
            something is remembered, those come first for which it is so here, and last those for which it is so
            elsewhere.
        """
        if not self._length:
            return ()
        taken = self._root.pop(warm, here, elsewhere)
        self._length -= len(taken)
        return taken

    def settle(self, one: Claim, seconds: float) -> None:
        """Take the end of something that was popped: count what it cost instead of what it was estimated to cost.

        Call it once for each. Until then its caller is held to have had the estimate.

        Parameters
        ----------
        one
            What was popped.
        seconds
            What it really cost a worker; 0 where it did not run.
        """
        self._root.settle(_path(one.turn), one.turn.seconds, seconds)

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
        """Where each branch stands in virtual time: its next turn starts then."""
        self._running: Counter[Hashable] = Counter()
        """How much of each branch was popped and has not been settled."""
        self._served: dict[Hashable, int] = {}
        """When each branch had its last turn, in turns: of those that stand at the same time, who waited longest."""
        self._turns = 0
        self._now = 0.0
        """Virtual time: work that was done here, divided between those that wanted some."""

    @property
    def waits(self) -> bool:
        """Whether something waits here."""
        return bool(self.claims) or any(branch.waits for branch in self.branches.values())

    def branch(self, key: Hashable, weight: float) -> _Branches:
        """Return a branch that has something to wait for from now on.

        It has no claim to the time before, and stands no worse than the one of the others whose turn is next.
        """
        below = self.branches.setdefault(key, _Branches())
        if not below.waits:
            others = (self._starts[one] for one, branch in self.branches.items() if branch.waits)
            self._weights[key] = weight
            self._starts[key] = max(min(self._now, min(others, default=self._now)), self._starts.get(key, 0.0))
        return below

    def pop(
        self, warm: Collection[tuple[str, int]], here: Collection[Memory], elsewhere: Collection[Memory]
    ) -> tuple[Claim, ...]:
        if self.claims:
            return self._pop_claim(warm, here, elsewhere)
        key = min((key for key, branch in self.branches.items() if branch.waits), key=self._place)
        self._now = max(self._now, self._starts[key])
        self._turns += 1
        self._served[key] = self._turns
        taken = self.branches[key].pop(warm, here, elsewhere)
        self._starts[key] += sum(one.turn.seconds for one in taken) / self._weights[key]
        self._running[key] += len(taken)
        self._forget()
        return taken

    def settle(self, path: list[tuple[Hashable, float]], estimated: float, seconds: float) -> None:
        if not path:
            return
        (key, weight), *below = path
        active = sum(self._weights[one] for one, branch in self.branches.items() if branch.waits or self._running[one])
        self._starts[key] = max(self._now, self._starts[key] + (seconds - estimated) / weight)
        self._now += seconds / active
        self._running[key] -= 1
        self.branches[key].settle(below, estimated, seconds)
        self._forget()

    def remove(self, path: list[tuple[Hashable, float]], one: Claim) -> bool:
        if path:
            (key, _), *below = path
            found = key in self.branches and self.branches[key].remove(below, one)
            self._forget()
            return found
        if one not in self.claims:
            return False
        self.claims.remove(one)
        return True

    def _place(self, key: Hashable) -> tuple[float, int]:
        return round(self._starts[key], 6), self._served.get(key, 0)

    def _forget(self) -> None:
        """Forget branches that have nothing waiting or running, once the others have come as far in virtual time."""
        for key in [key for key, at in self._starts.items() if at <= self._now + 1e-6]:
            if not self._running[key] and not self.branches[key].waits:
                del self.branches[key], self._starts[key], self._weights[key], self._running[key]
                self._served.pop(key, None)

    def _pop_claim(
        self, warm: Collection[tuple[str, int]], here: Collection[Memory], elsewhere: Collection[Memory]
    ) -> tuple[Claim, ...]:
        remembered = [one for one in self.claims if one.memory in here]
        line = remembered or [one for one in self.claims if one.memory not in elsewhere] or self.claims
        bound = line[0].turn.seconds + _LOAD_S
        chosen = next((one for one in line if one.model in warm and one.turn.seconds <= bound), line[0])
        self.claims.remove(chosen)
        shares = chosen.turn.shares
        others = [one for one in self.claims if shares is not None and one.turn.shares == shares]
        for one in others:
            self.claims.remove(one)
        return chosen, *others


def _path(turn: Turn) -> list[tuple[Hashable, float]]:
    """Return the branches down to a job's line, each with its weight."""
    return [(turn.priority, _WEIGHTS[turn.priority]), (turn.caller, 1.0), (turn.job_id, 1.0)]
