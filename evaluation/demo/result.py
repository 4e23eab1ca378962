"""What the demo found, and what of it must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...client import Classification
from ...datasets import Film
from ..scores import micro_f1
from .explaining import ExplainedFilm

MINIMUM_F1 = 0.9
"""Micro-F1 that the ensemble must reach on unseen phantoms."""
MAXIMUM_THUMBNAIL_F1 = 0.6
"""Micro-F1 that a ridge regression on 16 x 16 thumbnails must not exceed: else phantoms need no looking at."""


@dataclass(frozen=True)
class Claim:
    """Something that must hold, with the number that decides it."""

    text: str
    holds: bool


@dataclass(frozen=True)
class DemoResult:
    """What came out.

    Attributes
    ----------
    films, classifications
        The unseen phantoms and the gateway's answers, in the same order.
    explained
        The films that were explained.
    methods
        Methods and the parameters given.
    thumbnail_f1
        Micro-F1 of the ridge regression on thumbnails.
    versions
        Versions of what answered, by name.
    seconds
        Wall-clock time of every step.
    """

    films: Sequence[Film]
    classifications: Sequence[Classification]
    explained: Sequence[ExplainedFilm]
    methods: Mapping[str, Mapping[str, Any]]
    thumbnail_f1: float
    versions: Mapping[str, str]
    seconds: Mapping[str, float]

    @property
    def models(self) -> list[str]:
        """Names of the networks in voting order."""
        return [answer.model.name for answer in self.classifications[0].answers]

    @property
    def labels(self) -> list[str]:
        """Names of the labels."""
        return [vote.label for vote in self.classifications[0].labels]

    def ensemble_f1(self) -> float:
        """Micro-F1 of the majority vote, in [0, 1]."""
        return micro_f1([frozenset(c.majority) for c in self.classifications], self._truth(), self.labels)

    def network_f1(self, name: str) -> float:
        """Micro-F1 of one network's own votes, in [0, 1]."""
        predicted = [
            frozenset(
                label
                for answer in c.answers
                if answer.model.name == name
                for label, vote in zip(self.labels, answer.votes, strict=True)
                if vote
            )
            for c in self.classifications
        ]
        return micro_f1(predicted, self._truth(), self.labels)

    def average_precision(self, model: str, method: str) -> float:
        """Mean average precision of a network's maps as detectors of the lesion, in [0, 1]."""
        return float(np.mean([e.pointing[model, method].auprc for e in self.explained]))

    def mass_inside(self, model: str, method: str) -> float:
        """Mean share of the evidence inside the lesion, in [0, 1]."""
        return float(np.mean([e.pointing[model, method].mass_inside for e in self.explained]))

    def average_precision_of_average_mask(self) -> float:
        """Give the same for the average lesion mask of the training films."""
        return float(np.mean([e.by_chance.auprc for e in self.explained]))

    def lesion_area(self) -> float:
        """Mean share of the film that the lesion covers, in [0, 1]: what a random map scores."""
        return float(np.mean([e.by_chance.area for e in self.explained]))

    def claims(self) -> list[Claim]:
        """Return what must hold, with its numbers."""
        ensemble = self.ensemble_f1()
        claims = [
            Claim(
                f"The vote detects the lesions: micro-F1 {ensemble:.3f} on {len(self.films)} unseen phantoms "
                f"(at least {MINIMUM_F1})",
                ensemble >= MINIMUM_F1,
            ),
            Claim(
                f"The phantoms cannot be solved from a 16 x 16 thumbnail: ridge regression micro-F1 "
                f"{self.thumbnail_f1:.3f} (at most {MAXIMUM_THUMBNAIL_F1})",
                self.thumbnail_f1 <= MAXIMUM_THUMBNAIL_F1,
            ),
        ]
        average = self.average_precision_of_average_mask()
        for method in self.methods:
            by_model = [self.average_precision(model, method) for model in self.models]
            own = float(np.mean(by_model))
            better = sum(value > average for value in by_model)
            claims.append(
                Claim(
                    f"{method}: maps point at the lesions better than the average lesion mask of other films: "
                    f"average precision {own:.3f} against {average:.3f} over {len(self.explained)} films, and on "
                    f"{better} of {len(self.models)} networks taken alone",
                    own > average,
                )
            )
        slowest = max(e.first_map_fraction for e in self.explained)
        claims.append(
            Claim(
                f"The first map comes early: after {slowest:.1%} of the work or before (at most 20 %)", slowest <= 0.2
            )
        )
        return claims

    def to_json(self) -> dict[str, Any]:
        """Return everything but the pictures, ready for JSON. Times are in seconds, scores in [0, 1]."""
        return {
            "intended_use": self.classifications[0].intended_use,
            "claims": [{"text": claim.text, "holds": claim.holds} for claim in self.claims()],
            "models": [
                {
                    "name": answer.model.name,
                    "version": answer.model.version,
                    "micro_f1": self.network_f1(answer.model.name),
                }
                for answer in self.classifications[0].answers
            ],
            "ensemble": {
                "model_set": self.classifications[0].model_set.version,
                "micro_f1": self.ensemble_f1(),
                "thumbnail_ridge_micro_f1": self.thumbnail_f1,
                "films": len(self.films),
            },
            "methods": [
                {
                    "name": method,
                    "parameters": dict(parameters),
                    "average_precision": {model: self.average_precision(model, method) for model in self.models},
                    "mass_inside": {model: self.mass_inside(model, method) for model in self.models},
                }
                for method, parameters in self.methods.items()
            ],
            "average_mask_average_precision": self.average_precision_of_average_mask(),
            "lesion_area": self.lesion_area(),
            "timings": {
                **self.seconds,
                "first_map_s": [e.first_map_seconds for e in self.explained],
                "explanation_s": [e.seconds for e in self.explained],
                "items": [
                    {
                        "model": i.item.model.name,
                        "method": i.item.method,
                        "elapsed_s": i.elapsed_s,
                        "waited_s": i.waited_s,
                    }
                    for e in self.explained
                    if e.explanation.summary is not None
                    for i in e.explanation.summary.items
                ],
            },
            "versions": dict(self.versions),
        }

    def _truth(self) -> list[frozenset[str]]:
        return [frozenset(label for label, is_true in film.known.items() if is_true) for film in self.films]
