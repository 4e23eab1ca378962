"""What an item costs a worker: seconds, learnt from what was run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...handlers.card import ModelCard

__all__ = ["CostModel"]

# Time of a forward pass per input pixel relative to ResNet18, and that of ResNet18 on one core, in seconds, as measured
# on a CPU. Where nothing was learnt yet, the plan hangs on them.
_RELATIVE_TIME = {
    "resnet18": 1.0,
    "resnet34": 2.0,
    "inception_v3": 2.2,
    "inception_resnet_v2": 4.5,
    "densenet161": 6.8,
}
_UNKNOWN_ARCHITECTURE = 3.0
_SECONDS_PER_PIXEL = 8e-7
_OVERHEAD_S = 0.01
"""What an item costs a worker beside its passes: the smallest estimate."""
_WEIGHT = 0.3
"""Of the newest measurement."""

Version = tuple[str, int]


@dataclass
class _Pace:
    """Seconds per pass, averaged with weights that fade."""

    seconds: float

    def learn(self, seconds: float) -> None:
        self.seconds += _WEIGHT * (seconds - self.seconds)


class CostModel:
    """Estimates the seconds that a worker needs for an item, and learns from those that ended.

    The pace of a method on a network (seconds per pass that it announced) is taken from its own items; before there is
    one, from those of other methods on the same network; before that, from the network's size.

    Parameters
    ----------
    threads
        Those of a worker.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._methods: dict[tuple[str, Version], _Pace] = {}
        self._networks: dict[Version, _Pace] = {}

    def seconds(self, method: str, version: Version, cards: Iterable[ModelCard], passes: int) -> float:
        """Estimate a worker's time for an item; 0 where it makes no pass.

        Parameters
        ----------
        method
            Its name.
        version
            Name and version: of the network, or of the ensemble and its model set.
        cards
            Of the network, or of those that vote.
        passes
            Forward passes or their equivalent that the method announces.
        """
        if passes <= 0:
            return 0.0
        own = self._methods.get((method, version))
        per_pass = own.seconds if own is not None else sum(map(self._pace, cards))
        return _OVERHEAD_S + passes * per_pass

    def measure_seconds(
        self, measure: str, method: str, version: Version, cards: Iterable[ModelCard], passes: int
    ) -> float:
        """Estimate a worker's time for a measure of one map by a method; see `seconds`."""
        return self.seconds(_of(measure, method), version, cards, passes)

    def learn_measure(self, measure: str, method: str, version: Version, passes: int, seconds: float) -> None:
        """Take in what a measure of one map by a method cost. It teaches nothing of methods: some share nearly all."""
        self._learn(_of(measure, method), version, passes, seconds)

    def learn(self, method: str, version: Version, passes: int, seconds: float, *, whole: bool = True) -> None:
        """Take in what an item cost that ran to its end, the loading of its network and its measures left out.

        Where its passes were no whole ones, it teaches nothing of other methods.
        """
        per_pass = self._learn(method, version, passes, seconds)
        if per_pass is None or not whole:
            return
        self._networks.setdefault(version, _Pace(per_pass)).learn(per_pass)

    def _learn(self, work: str, version: Version, passes: int, seconds: float) -> float | None:
        if passes <= 0:
            return None
        per_pass = max(0.0, seconds - _OVERHEAD_S) / passes
        self._methods.setdefault((work, version), _Pace(per_pass)).learn(per_pass)
        return per_pass

    def _pace(self, card: ModelCard) -> float:
        known = self._networks.get((card.name, card.version))
        if known is not None:
            return known.seconds
        relative = _RELATIVE_TIME.get(card.architecture, _UNKNOWN_ARCHITECTURE)
        return float(_SECONDS_PER_PIXEL * relative * card.input.size**2) / self._threads


def _of(measure: str, method: str) -> str:
    """Name the work of a measure, as no method is named."""
    return f"{measure} of {method}"
