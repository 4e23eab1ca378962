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
from ...datasets import Film
from ...handlers.placing import on_input_grid
from ..errors import EvaluationError
from ..explanations.average_mask import average_evidence, average_mask
from ..explanations.evidence import Evidence, PlacedMap, bring, why_unusable
from ..explanations.grid import BoolPlane
from ..explanations.localising import Localised, localise
from ..explanations.truths import Truths

FloatPlane = NDArray[np.float32]


@dataclass(frozen=True)
class ExplainedFilm:
    """A film and the maps of its finding.

    Attributes
    ----------
    film
        The film.
    finding
        What was explained: its one kind of lesion.
    lesion
        Where that lies, on the film's part of the common grid.
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
    finding: str
    lesion: BoolPlane
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
        return {name: on_input_grid(self.lesion, len(image))[0] for name, image in self.inputs().items()}


@dataclass
class Explainer:
    """Explains one film after the other.

    Attributes
    ----------
    client
        The gateway.
    methods
        The methods and their parameters.
    truths
        Where the lesions of films are, by finding.
    others
        Films whose lesions make the average mask.
    """

    client: Client
    methods: dict[str, dict[str, Any]]
    truths: Truths
    others: Sequence[Film]

    def explain(self, film: Film) -> ExplainedFilm:
        """Explain the finding of a film with one kind of lesion, on every network.

        Raises
        ------
        EvaluationError
            If a map is missing: a demo that hides that would prove nothing.
        """
        ((finding, lesion),) = self.truths.disease[film.file].items()
        start = perf_counter()
        first: float | None = None
        fraction = seen = 0.0
        events = []
        stream = self.client.explain(film.path, self.methods, targets=[finding], partial=True, inputs=True, timeout=600)
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
        grid = self.truths.grids[film.file]
        points = {}
        for event in explanation.heatmaps:
            placed = PlacedMap(event.model.name, event.method, event.label, event.values, event.affine)
            points[event.model.name, event.method] = _localised(bring(placed, grid), lesion)
        by_chance = _localised(average_evidence(self._average_mask, grid, finding), lesion)
        seconds = perf_counter() - start
        return ExplainedFilm(film, finding, lesion, explanation, points, by_chance, first, fraction, seconds)

    @cached_property
    def _average_mask(self) -> FloatPlane:
        """Of lesions of every kind."""
        known = [(self.truths.grids[film.file], self.truths.disease[film.file]) for film in self.others]
        return average_mask((grid, np.any(list(lesions.values()), axis=0)) for grid, lesions in known)


def _localised(evidence: Evidence, truth: BoolPlane) -> Localised:
    # A map without evidence for the finding tells as much of where it is as one that is the same everywhere.
    flat = np.ones_like(evidence.values)
    return localise(flat if why_unusable(evidence.values) else evidence.values, truth)
