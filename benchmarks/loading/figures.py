"""What a run is summed up to: the document that is stored, and that the table is made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .asks import Behaviour
from .course import Course
from .driver import stopped_after
from .family import Life
from .flatness import trend
from .verdict import Verdict

__all__ = ["Account", "memory_rows", "quantiles"]

_LISTED = 50
_QUANTILES = (50, 95, 99)
TIMES = ("classification", "first heatmap", "summary")


@dataclass
class Account:
    """Adds up the requests of a run.

    Attributes
    ----------
    outcomes
        Requests by behaviour and outcome.
    violations
        Those found, each with the number of its request and its behaviour.
    times
        Of plain requests, seconds from the call that was admitted to what the name says.
    stops
        Seconds from a stop to the end of the job, by behaviour.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    times: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in TIMES})
    stops: list[float] = field(default_factory=list)
    refusals: int = 0
    returns: int = 0
    maps: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def take(self, course: Course, verdict: Verdict) -> None:
        """Add a request that was judged."""
        self.outcomes[course.ask.behaviour.value, verdict.outcome] += 1
        who = f"request {course.ask.number} ({course.ask.behaviour.value})"
        self.violations += [f"{who}: {one}" for one in verdict.violations]
        self.refusals += len(course.refusals)
        self.returns += sum(leg.after > 0 for side in course.sides for leg in side.legs)
        for seen in course.sides[0].events:
            self.maps += seen.kind == "heatmap" and seen.final
            if seen.kind == "failure":
                self.failures[seen.reason] += len(seen.keys)
        if (seconds := stopped_after(course)) is not None:
            self.stops.append(seconds)
        if course.ask.behaviour is Behaviour.PLAIN and course.sides[0].legs:
            leg = course.sides[0].legs[-1]
            for name, kind in zip(TIMES, ("classified", "heatmap", "summary"), strict=True):
                first = next((seen.at for seen in leg.seen if seen.kind == kind), None)
                if first is not None:
                    self.times[name].append(first - leg.begun)

    def document(self) -> dict[str, Any]:
        """Return the figures, ready for JSON."""
        return {
            "requests": sum(self.outcomes.values()),
            "outcomes": [[*key, number] for key, number in sorted(self.outcomes.items())],
            "violations": len(self.violations),
            "violations_listed": self.violations[:_LISTED],
            "refusals": self.refusals,
            "returns": self.returns,
            "final_maps": self.maps,
            "failures": dict(sorted(self.failures.items())),
            "seconds": {name: quantiles(values) for name, values in self.times.items()},
            "stop_seconds": quantiles(self.stops),
        }


def quantiles(values: Sequence[float]) -> dict[str, float | int]:
    """Return how many there are, their median, and the 95th and 99th percentile."""
    if not values:
        return {"number": 0}
    found = np.percentile(values, _QUANTILES)
    return {"number": len(values)} | {
        f"p{one}": round(float(value), 3) for one, value in zip(_QUANTILES, found, strict=True)
    }


def memory_rows(lives: Iterable[Life], ended: float) -> list[dict[str, Any]]:
    """Return a row for every process life: its sizes after warm-up and at the end, and its slope.

    Parameters
    ----------
    lives
        What was sampled.
    ended
        When the load was over, seconds since the start of the run.
    """
    rows = []
    for life in lives:
        own = asdict(trend(life.times, life.uss, ended=ended))
        shown = trend(life.times, life.rss, ended=ended)
        rows.append(
            {
                "process": life.role,
                "from": round(life.times[0]),
                "to": round(life.times[-1]),
                **{name: value if value is None or name == "flat" else round(value, 1) for name, value in own.items()},
                "rss_end_mib": round(shown.end_mib),
            }
        )
    return sorted(rows, key=lambda row: (row["process"], row["from"]))
