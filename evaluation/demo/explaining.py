"""Explain films with known lesions through the gateway, and measure where the maps point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...client import Client, Explanation, Heatmap, Sign
from ...handlers.placing import on_input_grid
from ..errors import EvaluationError
from ..explanations.average_mask import average_evidence, average_mask
from ..explanations.evidence import Evidence, PlacedMap, bring, why_unusable
from ..explanations.grid import BoolPlane, FilmGrid
from ..explanations.localising import Localised, localise
from ..films import Film

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
        The same of the average lesion mask of other films.
    first_map_seconds, seconds
        Wall-clock time to the first map (partial or final) and to the end.
    first_map_fraction
        Share of the job's work that was done when the first map came.
    """

    film: Film
    explanation: Explanation
    pointing: dict[tuple[str, str], Localised]
    by_chance: Localised
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
        grid, truth = _on_grid(mask)
        points = {}
        for event in explanation.heatmaps:
            placed = PlacedMap(event.model.name, event.method, event.label, event.values, event.affine)
            points[event.model.name, event.method] = _localised(bring(placed, grid), truth)
        by_chance = _localised(average_evidence(self._average_mask, grid, film.finding), truth)
        return ExplainedFilm(film, explanation, points, by_chance, first, fraction, perf_counter() - start)

    @cached_property
    def _average_mask(self) -> FloatPlane:
        return average_mask(_on_grid(mask) for mask in self.other_masks)


def _on_grid(mask: NDArray[np.uint8]) -> tuple[FilmGrid, BoolPlane]:
    height, width = mask.shape
    grid = FilmGrid(height, width)
    return grid, grid.sample(mask != 0).astype(bool)


def _localised(evidence: Evidence, truth: BoolPlane) -> Localised:
    # A map without evidence for the finding tells as much of where it is as one that is the same everywhere.
    flat = np.ones_like(evidence.values)
    return localise(flat if why_unusable(evidence.values) else evidence.values, truth)
