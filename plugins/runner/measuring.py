"""Measures of a map, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..contract import Attribution, Job, Method, Parameters
from ..errors import NotApplicable
from ..heatmap import heatmap
from ..measures import Measure, Reruns, Subject, measure_by_name
from ..observed import ObservedModel
from ..validation import validate_parameters

__all__ = ["MeasureSource", "Measuring", "chosen_measures"]

MeasureSource = str | Measure[Any] | Sequence[str | Measure[Any]] | Mapping[str, Mapping[str, Any]]
"""A measure, several, or several with their parameters; by name or one's own."""


def chosen_measures(source: MeasureSource) -> list[tuple[Measure[Any], Parameters]]:
    """Return the measures asked for, with their parameters.

    Raises
    ------
    UnknownMeasure, InvalidParameters
        If there is no such measure, or it does not take these parameters.
    """
    if isinstance(source, (str, Measure)):
        source = [source]
    given = source if isinstance(source, Mapping) else {}
    measures = [measure_by_name(one) if isinstance(one, str) else one for one in source]
    return [(measure, validate_parameters(measure, given.get(measure.name, {}))) for measure in measures]


@dataclass(frozen=True, eq=False)
class Measuring:
    """What was explained, and how, so that its maps can be judged.

    Parameters
    ----------
    method : Method
        Who explained.
    image : torch.Tensor
        Float32, [1, C, H, W].
    reruns : Reruns
        Runs the method again.
    passes : int
        What one run of it costs, for all maps at once.
    lifted : callable
        Returns the lifted network, or raises `NotApplicable`.
    """

    method: Method[Any]
    image: torch.Tensor
    reruns: Reruns
    passes: int
    lifted: Callable[[], torch.fx.GraphModule]

    def subject(self, model: ObservedModel, attribution: Attribution) -> Subject:
        """Return a final map as measures see it."""
        return Subject(
            model=model,
            image=self.image,
            target=attribution.target,
            attribution=attribution.values.detach(),
            heatmap=self._plane(attribution),
            signed=self.method.signed,
            again=self.reruns.of(attribution.target),
            passes=self.passes,
            lifted=self.lifted,
        )

    def judge(
        self, subject: Subject, measures: Sequence[tuple[Measure[Any], Parameters]], job: Job
    ) -> tuple[dict[str, Mapping[str, float]], dict[str, str]]:
        """Take the measures of a map, one by one: their numbers, and the reasons of those that give none."""
        values: dict[str, Mapping[str, float]] = {}
        refusals: dict[str, str] = {}
        for measure, params in measures:
            # What one measure does to its image and map, the next must not see.
            own = replace(
                subject,
                image=subject.image.clone(),
                attribution=subject.attribution.clone(),
                heatmap=subject.heatmap.clone(),
            )
            with _noted(refusals, measure.name):
                values[measure.name] = measure.measure(own, params, job)
        self.reruns.measured(subject.target)
        return values, refusals

    def _plane(self, attribution: Attribution) -> torch.Tensor:
        values = attribution.values.detach()
        return heatmap(values, signed=self.method.signed, channels=self.method.channels).clone()


@contextmanager
def _noted(refusals: dict[str, str], name: str) -> Iterator[None]:
    try:
        yield
    except NotApplicable as error:
        refusals[name] = str(error)
