"""Made-up answers of five networks on made-up patients: nothing here needs an X-ray."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from radiolucent.datasets import Film
from radiolucent.evaluation.tables import BaselineScore, Decision, Predictions, PredictionsHead
from radiolucent.handlers.card import DataRecord, Label

LABELS = (Label(name="COVID-19", implies="Pneumonia"), Label(name="Pneumonia"), Label(name="No Finding"))
NETWORKS = ("resnet18", "resnet34", "inception_v3", "inception_resnet_v2", "densenet161")

Make = Callable[..., Predictions]
MakeBaselines = Callable[..., list[BaselineScore]]


def _film(number: int, group: int, kind: int, random: np.random.Generator) -> Film:
    return Film(
        path=Path("nowhere"),
        file=f"images/{number:04}.png",
        line=number + 2,
        known={"COVID-19": kind == 0, "Pneumonia": kind < 2, "No Finding": kind == 2},
        group=f"g{group:04}",
        patient=f"p{group:04}",
        split="test",
        source=("NIH ChestX-ray14", "ieee8023/Eurorad")[int(random.integers(2))],
        view=("PA", "AP", "")[int(random.integers(3))],
        sex=("F", "M")[int(random.integers(2))],
        age=float(random.integers(1, 95)),
        width=1024,
        height=900,
    )


@pytest.fixture(scope="session")
def make_predictions() -> Make:
    def make(
        films: int = 240,
        patients: int = 180,
        seed: int = 0,
        signal: float = 2.0,
        folds: Sequence[str] = ("split",),
        overlapping: bool = False,
    ) -> Predictions:
        random = np.random.default_rng(seed)
        groups = np.r_[np.arange(patients), random.integers(0, patients, max(0, films - patients))][:films]
        kinds = random.integers(0, 3, patients)
        made = [_film(i, int(g), int(kinds[g]), random) for i, g in enumerate(groups)]
        rows = [(fold, film) for fold in folds for film in made] if overlapping else []
        rows = rows or [(folds[int(film.group[1:]) % len(folds)], film) for film in made]
        if overlapping:  # each draw tests most films
            rows = [row for row in rows if random.random() < 0.7]
        truth = np.array([[film.known[label.name] for label in LABELS] for _, film in rows], dtype=float)
        of_patient = random.normal(size=(patients, len(LABELS)))
        own = np.array([of_patient[int(film.group[1:])] for _, film in rows])
        logits = {
            name: (signal * (truth - 0.5) + own + random.normal(size=truth.shape)).astype(np.float32)
            for name in NETWORKS
        }
        head = PredictionsHead(
            data=DataRecord(name="made-up, test", checksum="0" * 64),
            labels=LABELS,
            decisions={fold: {name: Decision(thresholds=(0.5, 0.5, 0.5)) for name in NETWORKS} for fold in folds},
            mean_thresholds=dict.fromkeys(folds, (0.5, 0.5, 0.5)),
            train_films=dict.fromkeys(folds, 400),
            created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
            versions={"torch": "2.14.1"},
        )
        return Predictions(head, tuple(film for _, film in rows), tuple(fold for fold, _ in rows), logits)

    return make


@pytest.fixture(scope="session")
def make_baselines() -> MakeBaselines:
    def make(predictions: Predictions, comparisons: Sequence, signal: float = 1.0) -> list[BaselineScore]:
        random = np.random.default_rng(7)
        rows = []
        for comparison in comparisons:
            truth = comparison.truth(predictions.films)
            for name, strength in (("thumbnail", signal), ("brightness", signal / 2)):
                scores = truth * strength + random.normal(size=len(truth))
                rows += [
                    BaselineScore(comparison.name, name, fold, film.file, float(score))
                    for fold, film, score in zip(predictions.folds, predictions.films, scores, strict=True)
                    if not np.isnan(score)
                ]
        return rows

    return make
