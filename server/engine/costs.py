"""What an item costs a worker: seconds, learnt from what was run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log
from typing import Any

from ...handlers.card import ModelCard
from ...plugins import Precision
from .work_regressor import Spreads, Work, WorkRegressor

__all__ = ["CostModel", "Effort", "MeasureEffort"]

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
_SHORTEST_S = 1e-3
"""A time below it says nothing."""

# How far processor time per pass differs from that guess, and for what: over five networks and the built-in methods.
# It has its times as well: others on the same machine take caches and memory, and a processor that is hot slows down.
_OF_METHODS = Spreads(
    everything=1.5, time=0.15, version=0.5, name=0.7, both=0.4, form=0.5, form_on_version=0.25, slope=0.2, noise=0.2
)
_ITEMS_OF_A_TIME = 15.0
"""After so many what is of a time has gone to a third."""
# How far it differs for a measure from that of the method that it runs again, or of the network's passes.
_OF_MEASURES = Spreads(name=0.7, both=0.4, form=0.4, form_on_version=0.1, noise=0.15)
# How far a second of the processor differs from one of the clock: what else the machine does, and how well threads
# share an item's work.
_OF_TIMES = Spreads(everything=0.5, time=0.7, both=0.15, noise=0.2)

Version = tuple[str, int]


@dataclass(frozen=True)
class Effort:
    """What there is to do for an item, measures left out.

    Parameters
    ----------
    method : str
        Its name.
    version : tuple of (str, int)
        Name and version: of the network, or of the ensemble and its model set.
    cards : tuple of ModelCard
        Of the network, or of those that vote.
    passes : int
        Forward passes or their equivalent that the method announces.
    parameters : mapping
        The method's, as JSON values.
    targets : int
        Labels to explain.
    precision : Precision
        Of the networks.
    adaptive : bool
        Whether the passes are what is expected, as `Method.adaptive` says.
    """

    method: str
    version: Version
    cards: tuple[ModelCard, ...]
    passes: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    targets: int = 1
    precision: Precision = Precision.FLOAT32
    adaptive: bool = False

    @property
    def name(self) -> str:
        """The method, whether it is adaptive, and the precision where it is not the usual one: each has its pace."""
        name = f"adaptive {self.method}" if self.adaptive else self.method
        return name if self.precision is Precision.FLOAT32 else f"{name} in {self.precision.value}"

    @property
    def work(self) -> Work:
        """What it is like."""
        return Work.of(self.name, self.version, max(1, self.passes), self.parameters, self.targets)


@dataclass(frozen=True)
class MeasureEffort:
    """What there is to do for a measure of one map.

    Parameters
    ----------
    measure : str
        Its name.
    of : Effort
        What made the map.
    again : bool
        Whether it runs the method again, rather than the network alone.
    parameters : mapping
        The measure's, as JSON values.
    """

    measure: str
    of: Effort
    again: bool
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def work(self) -> Work:
        """What it is like; no method is named so."""
        name = f"{self.measure} of {self.of.name if self.again else self.of.precision.value}"
        return Work.of(name, self.of.version, 1, self.parameters)


class CostModel:
    """Estimates the seconds that a worker needs for an item, and learns from those that ended.

    What is learnt of an item is its processor time per announced pass, which nearly stays the same whoever else is at
    work. Seconds of the clock follow from how long a processor second took of late. Of work that was never done, it
    says what it has in common with what was: the network, the method on other networks, parameters that are near.

    Parameters
    ----------
    threads
        Those of a worker.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._paces = WorkRegressor(_OF_METHODS, fading=_ITEMS_OF_A_TIME)
        self._measures = WorkRegressor(_OF_MEASURES)
        self._times = WorkRegressor(_OF_TIMES)

    def seconds(self, effort: Effort) -> float:
        """Estimate a worker's time for an item; 0 where it makes no pass."""
        return self.processor_seconds(effort) * self._stretch(effort)

    def processor_seconds(self, effort: Effort) -> float:
        """Estimate the processor's time for an item, all threads together; 0 where it makes no pass."""
        return effort.passes * _guess(effort) * exp(self._paces.log(effort.work)) if effort.passes > 0 else 0.0

    def learn(self, effort: Effort, seconds: float, processor_s: float = 0.0, *, whole: bool = True) -> None:
        """Take in what an item cost that ran to its end, the loading of its network and its measures left out.

        Parameters
        ----------
        effort
            The item.
        seconds
            By the clock.
        processor_s
            Of the processor, all threads together; 0 where it is not known.
        whole
            Whether its passes were whole ones. Else it teaches nothing of other methods.
        """
        if effort.passes <= 0 or seconds < 0:
            return
        self._learn_stretch(effort, seconds, processor_s)
        pace = max(processor_s or seconds, _SHORTEST_S) / (effort.passes * _guess(effort))
        self._paces.learn(effort.work, log(pace), alone=not whole)

    def measure_seconds(self, effort: MeasureEffort, passes: int) -> float:
        """Estimate a worker's time for so many passes of a measure; 0 for none."""
        return passes * self._measure_pace(effort) * exp(self._measures.log(effort.work)) * self._stretch(effort.of)

    def learn_measure(self, effort: MeasureEffort, passes: int, seconds: float, processor_s: float = 0.0) -> None:
        """Take in what a measure of one map cost. It teaches nothing of methods: measures share much of their work."""
        if passes <= 0 or seconds < 0:
            return
        pace = max(processor_s or seconds, _SHORTEST_S) / (passes * self._measure_pace(effort))
        self._measures.learn(effort.work, log(pace))

    def _measure_pace(self, effort: MeasureEffort) -> float:
        """Estimate processor seconds per pass of what a measure asks for, before anything is known of the measure."""
        of = effort.of
        if effort.again and of.passes > 0:
            return self.processor_seconds(of) / of.passes
        return _guess(of) * exp(self._paces.log(Work.of("", of.version, 100)))

    def _stretch(self, effort: Effort) -> float:
        """Estimate seconds per second of the processor."""
        return exp(self._times.log(_time_of(effort))) / self._threads

    def _learn_stretch(self, effort: Effort, seconds: float, processor_s: float) -> None:
        if processor_s >= _SHORTEST_S and seconds >= _SHORTEST_S:
            self._times.learn(_time_of(effort), log(seconds * self._threads / processor_s))


def _time_of(effort: Effort) -> Work:
    return Work.of(effort.name, effort.version, 1)


def _guess(effort: Effort) -> float:
    """Guess processor seconds per pass, from what the networks are."""
    return sum(
        _SECONDS_PER_PIXEL * _RELATIVE_TIME.get(card.architecture, _UNKNOWN_ARCHITECTURE) * card.input.size**2
        for card in effort.cards
    )
