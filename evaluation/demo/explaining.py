"""Explain films with known lesions through the gateway, and measure where the maps point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...client import Client, Explanation, Heatmap, Sign
from ..errors import EvaluationError
from ..films import Film
from ..localisation import Pointing, average_mask, on_input_grid, pointing

FloatPlane = NDArray[np.float32]


@dataclass(frozen=True)
class ExplainedFilm:
    """A film and the maps of its finding.

    Attributes
    ----------
    film
        The film.
    explanation
        What the gateway streamed.
    pointing
        By (network, method): how well the final map points at the lesion.
    by_chance
        By network: the same of the average lesion mask of other films.
    first_map_seconds, seconds
        Wall-clock time to the first map (partial or final) and to the end.
    first_map_fraction
        Share of the job's work that was done when the first map came.
    """

    film: Film
    explanation: Explanation
    pointing: dict[tuple[str, str], Pointing]
    by_chance: dict[str, Pointing]
    first_map_seconds: float
    first_map_fraction: float
    seconds: float

    def inputs(self) -> dict[str, FloatPlane]:
        """Return what each network saw, [S, S], in voting order."""
        seen = {event.model.name: event.values[0] for event in self.explanation.inputs}
        order = [item.model.name for item in self.explanation.items]
        if self.explanation.classification is not None:
            order = [answer.model.name for answer in self.explanation.classification.answers]
        return {name: seen[name] for name in order if name in seen}

    def heatmaps(self) -> dict[tuple[str, str], tuple[FloatPlane, Sign]]:
        """Return the final maps and their signs, by (network, method)."""
        return {(event.model.name, event.method): (event.values, event.sign) for event in self.explanation.heatmaps}

    def outlines(self) -> dict[str, NDArray[np.bool_]]:
        """Return the lesion on each network's input grid."""
        mask = self.film.lesions()
        return (
            {} if mask is None else {name: on_input_grid(mask, len(image))[0] for name, image in self.inputs().items()}
        )


@dataclass
class Explainer:
    """Explains one film after the other.

    Attributes
    ----------
    client
        The gateway.
    methods
        The methods and their parameters.
    other_masks
        Lesion masks of other films.
    """

    client: Client
    methods: dict[str, dict[str, Any]]
    other_masks: Sequence[NDArray[np.uint8]]
    _average_masks: dict[int, FloatPlane] = field(default_factory=dict)

    def explain(self, film: Film) -> ExplainedFilm:
        """Explain a film's finding on every network.

        Raises
        ------
        EvaluationError
            If a map is missing: a demo that hides that would prove nothing.
        """
        mask = film.lesions()
        if mask is None:
            raise EvaluationError(f"{film.path.name} has no lesion to point at")
        start = perf_counter()
        first: float | None = None
        fraction = seen = 0.0
        events = []
        stream = self.client.explain(
            film.path, self.methods, targets=[film.finding], partial=True, inputs=True, timeout=600
        )
        with stream:
            for event in stream:
                seen = getattr(event, "job_fraction", seen)
                if isinstance(event, Heatmap) and first is None:
                    first, fraction = perf_counter() - start, seen
                events.append(event)
        explanation = Explanation.of(events)
        if explanation.failures or first is None:
            reasons = "; ".join(f"{f.item.model} {f.item.method}: {f.message}" for f in explanation.failures)
            raise EvaluationError(f"maps are missing for {film.path.name}: {reasons or 'the job gave none'}")
        points, by_chance = {}, {}
        for event in explanation.heatmaps:
            size = len(event.values)
            truth, inside = on_input_grid(mask, size)
            points[event.model.name, event.method] = pointing(event.values, truth, inside)
            by_chance[event.model.name] = pointing(self._average_mask(size), truth, inside)
        return ExplainedFilm(film, explanation, points, by_chance, first, fraction, perf_counter() - start)

    def _average_mask(self, size: int) -> FloatPlane:
        if size not in self._average_masks:
            self._average_masks[size] = average_mask(list(self.other_masks), size)
        return self._average_masks[size]
