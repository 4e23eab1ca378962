"""The rows of the table in ../shared/data/cxr/README.md, which were measured elsewhere, on the same films."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from radiolucent.datasets import DataSet, Film, read_data_set
from radiolucent.evaluation.comparisons import Comparison
from radiolucent.evaluation.folds import Fold, one_fold
from radiolucent.evaluation.shortcuts.baselines import Baselines, measure_baselines
from radiolucent.evaluation.shortcuts.cut import BaselineCuts
from radiolucent.evaluation.shortcuts.glance import Glance, glance_at
from radiolucent.evaluation.shortcuts.rules import rule_scores
from radiolucent.evaluation.shortcuts.source_classifier import source_scores
from radiolucent.evaluation.statistics import resampling_of
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

NIH = "NIH ChestX-ray14"
COVID = Comparison("COVID-19")
PNEUMONIA = Comparison("Pneumonia", "No Finding", NIH)
IEEE = Comparison("COVID-19", "Pneumonia", "ieee8023")
CLOSE = 0.03


@pytest.fixture(scope="module")
def data_set(shared: Path) -> DataSet:
    return read_data_set(shared / "data" / "cxr" / "manifest.csv", pixels=False)


@pytest.fixture(scope="module")
def glances(data_set: DataSet) -> dict[str, Glance]:
    return glance_at(data_set.films)


@pytest.fixture(scope="module")
def baselines(data_set: DataSet, glances: dict[str, Glance]) -> Baselines:
    labels = [Comparison(label.name) for label in data_set.labels]
    views = [replace(PNEUMONIA, view=view) for view in ("AP", "PA")]
    return measure_baselines([one_fold(data_set)], [*labels, PNEUMONIA, *views], glances)


def area(baselines: Baselines, films: tuple[Film, ...], comparison: Comparison, predictor: str) -> float:
    scores = {s.file: s.score for s in baselines.scores if (s.comparison, s.predictor) == (comparison.name, predictor)}
    truth = comparison.truth(films)
    here = np.flatnonzero(np.isfinite(truth))
    return float(roc_auc_score(truth[here], [scores[films[i].file] for i in here]))


@pytest.mark.parametrize(
    ("comparison", "predictor", "expected"),
    [
        (COVID, "not square", 0.971),
        (COVID, "aspect", 0.971),
        (COVID, "thumbnail", 0.925),
        (COVID, "outer ring", 0.912),
        (PNEUMONIA, "thumbnail", 0.886),
        (PNEUMONIA, "outer ring", 0.857),
        (PNEUMONIA, "brightness", 0.807),
        (PNEUMONIA, "patient number", 0.82),
        (replace(PNEUMONIA, view="AP"), "thumbnail", 0.83),
        (replace(PNEUMONIA, view="PA"), "thumbnail", 0.92),
    ],
)
def test_baselines_score_what_was_measured_elsewhere(
    data_set: DataSet, baselines: Baselines, comparison: Comparison, predictor: str, expected: float
) -> None:
    assert area(baselines, data_set.of("test"), comparison, predictor) == pytest.approx(expected, abs=CLOSE)


def test_rules_score_what_was_measured_elsewhere(
    data_set: DataSet, baselines: Baselines, make: SimpleNamespace
) -> None:
    tested = data_set.of("test")
    predictions = make.predictions(tested, [0.0] * len(tested))
    head = predictions.head.model_copy(update={"labels": data_set.labels})
    predictions = replace(predictions, head=head)
    rows = rule_scores(
        predictions, baselines.scores, BaselineCuts(cuts=baselines.cuts), resampling_of(predictions, 100)
    )
    found = {(row.predictor, row.rule): row for row in rows}
    assert found["source", "best F1"].f1["COVID-19"].value == pytest.approx(0.894, abs=0.005)
    assert found["source", "best F1"].micro_f1.value == pytest.approx(0.765, abs=0.005)
    assert found["not square", "majority"].micro_f1.value == pytest.approx(0.693, abs=0.005)


def test_the_source_can_be_told_from_a_thumbnail(data_set: DataSet, glances: dict[str, Glance]) -> None:
    tested = data_set.of("test")
    nih = [film.main_source == NIH for film in tested]
    for picture, expected in (("crop", 0.947), ("whole", 0.98)):
        inputs = {file: getattr(glance, picture) for file, glance in glances.items()}
        scores = {s.file: s.score for s in source_scores(one_fold(data_set), picture, inputs) if NIH in s.comparison}
        assert roc_auc_score(nih, [scores[film.file] for film in tested]) == pytest.approx(expected, abs=CLOSE)


def test_the_one_fair_comparison_of_covid_is_hard_for_a_thumbnail(
    data_set: DataSet, glances: dict[str, Glance]
) -> None:
    films = [film for film in data_set.films if film.main_source == "ieee8023"]
    labels, groups = [film.known["COVID-19"] for film in films], [film.group for film in films]
    parts = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(films, labels, groups)
    folds = [
        Fold(str(i), tuple(films[j] for j in train), tuple(films[j] for j in test))
        for i, (train, test) in enumerate(parts)
    ]
    found = measure_baselines(folds, [IEEE], glances)
    assert area(found, tuple(films), IEEE, "thumbnail") == pytest.approx(0.60, abs=CLOSE)
    assert area(found, tuple(films), IEEE, "outer ring") == pytest.approx(0.62, abs=CLOSE)
