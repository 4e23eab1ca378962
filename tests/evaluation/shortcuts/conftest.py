"""Films that exist as glances alone, and predictions that are made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from radiolucent.datasets import Film
from radiolucent.evaluation.shortcuts.glance import SIDE, Glance
from radiolucent.evaluation.tables import Decision, Predictions, PredictionsHead
from radiolucent.handlers import Label
from radiolucent.handlers.card import DataRecord

MakeFilms = Callable[..., list[Film]]


def _film(number: int, positive: bool, *, source: str = "A", split: str = "train", patient: str = "") -> Film:
    return Film(
        path=Path(f"{number}.png"),
        file=f"{source}-{split}-{number}.png",
        line=0,
        known={"Pneumonia": positive, "No Finding": not positive},
        group=f"{source}-{split}-{number}",
        patient=patient,
        split=split,  # type: ignore[arg-type]
        source=source,
    )


@pytest.fixture
def make() -> SimpleNamespace:
    """Make films, glances and predictions."""

    def films(count: int, *, source: str = "A", split: str = "train", sick: bool = False) -> list[Film]:
        """Every second film is positive, or all are."""
        return [_film(i, sick or i % 2 == 1, source=source, split=split) for i in range(count)]

    def glance(
        film: Film, seed: int, *, shape: tuple[int, int] = (100, 100), brightness: float | None = None
    ) -> Glance:
        rng = np.random.default_rng(seed)
        crop, whole, frame = rng.random((3, SIDE, SIDE), dtype=np.float32)
        return Glance(film, shape, rng.random() if brightness is None else brightness, crop, whole, frame)

    def glances(all_films: Sequence[Film], **changes: Callable[[Film], object]) -> dict[str, Glance]:
        """Noise, but for what is changed."""
        return {
            film.file: glance(film, seed, **{name: change(film) for name, change in changes.items()})  # type: ignore[arg-type]
            for seed, film in enumerate(all_films)
        }

    def predictions(all_films: Sequence[Film], logits: Sequence[float], folds: Sequence[str] = ()) -> Predictions:
        """One network; its logit of `No Finding` is the opposite of that of `Pneumonia`."""
        folds = tuple(folds) or ("split",) * len(all_films)
        head = PredictionsHead(
            data=DataRecord(name="made up", checksum="0" * 64),
            labels=(Label(name="Pneumonia"), Label(name="No Finding")),
            decisions={fold: {"net": Decision(thresholds=(0.5, 0.5))} for fold in folds},
            mean_thresholds=dict.fromkeys(folds, (0.5, 0.5)),
        )
        column = np.asarray(logits, dtype=np.float32)
        return Predictions(head, tuple(all_films), tuple(folds), {"net": np.stack([column, -column], axis=1)})

    return SimpleNamespace(films=films, glances=glances, predictions=predictions)
