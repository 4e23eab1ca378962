from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from radiolucent.datasets import Film
from radiolucent.evaluation.comparisons import Comparison
from radiolucent.evaluation.folds import Fold
from radiolucent.evaluation.shortcuts.baselines import Baselines, measure_baselines
from radiolucent.evaluation.shortcuts.cut import best_cut
from radiolucent.evaluation.shortcuts.predictors import PREDICTORS
from sklearn.metrics import roc_auc_score

PNEUMONIA = Comparison("Pneumonia", "No Finding")


def fold(train: Sequence[Film], tested: Sequence[Film], val: Sequence[Film] = ()) -> Fold:
    return Fold("split", tuple(train), tuple(tested), tuple(val))


def area(baselines: Baselines, tested: Sequence[Film], predictor: str, comparison: Comparison = PNEUMONIA) -> float:
    scores = {s.file: s.score for s in baselines.scores if (s.comparison, s.predictor) == (comparison.name, predictor)}
    here = [film for film in tested if np.isfinite(comparison.truth([film])[0])]
    return float(roc_auc_score(comparison.truth(here), [scores[film.file] for film in here]))


@pytest.mark.parametrize(
    ("predictor", "change"),
    [
        ("brightness", {"brightness": lambda film: 0.3 if film.known["Pneumonia"] else 0.6}),
        ("not square", {"shape": lambda film: (100, 120) if film.known["Pneumonia"] else (100, 100)}),
        ("aspect", {"shape": lambda film: (100, 120) if film.known["Pneumonia"] else (100, 101)}),
    ],
)
def test_a_planted_shortcut_is_found_by_its_predictor_alone(
    make: SimpleNamespace, predictor: str, change: dict[str, object]
) -> None:
    train, tested = make.films(60), make.films(40, split="test")
    found = measure_baselines([fold(train, tested)], [PNEUMONIA], make.glances([*train, *tested], **change))
    assert area(found, tested, predictor) == 1
    assert abs(area(found, tested, "thumbnail") - 0.5) < 0.3


def test_edges_are_seen_by_the_ring_and_hidden_centres(make: SimpleNamespace) -> None:
    train, tested = make.films(80), make.films(40, split="test")
    glances = make.glances([*train, *tested])
    for glance in glances.values():
        if glance.film.known["Pneumonia"]:
            glance.crop[0] += 0.5
            glance.frame[:, -1] += 0.5
    found = measure_baselines([fold(train, tested)], [PNEUMONIA], glances)
    assert min(area(found, tested, name) for name in ("outer ring", "centre hidden", "thumbnail")) > 0.95


def test_what_is_tested_is_not_learnt_from(make: SimpleNamespace) -> None:
    train, tested = make.films(60), make.films(60, split="test")
    turned = [replace(f, known={name: not known for name, known in f.known.items()}) for f in tested]
    glances = make.glances([*train, *tested], brightness=lambda film: 0.3 if film.known["Pneumonia"] else 0.6)
    for films in (tested, turned):
        found = measure_baselines([fold(train, films)], [PNEUMONIA], glances)
        # The direction was learnt from the training films, and stays wrong where the tested labels are turned.
        assert area(found, films, "brightness") == (1 if films is tested else 0)
        assert abs(area(found, films, "thumbnail") - 0.5) < 0.25


def test_a_comparison_within_a_source_is_fitted_on_that_source_alone(make: SimpleNamespace) -> None:
    ours, others, tested = make.films(60), make.films(60, source="B"), make.films(30, split="test")
    inside = Comparison("Pneumonia", "No Finding", source="A")
    glances = make.glances([*ours, *others, *tested])
    alone = measure_baselines([fold(ours, tested)], [inside], glances)
    beside = measure_baselines([fold([*ours, *others], tested)], [inside], glances)
    assert alone.scores == beside.scores
    assert {"source", "part of source"} <= {omission.predictor for omission in alone.omissions}


def test_the_source_scores_by_its_rate_and_an_unknown_one_by_the_overall_rate(make: SimpleNamespace) -> None:
    train = [
        *make.films(40),
        *(replace(f, known={"Pneumonia": True, "No Finding": False}) for f in make.films(20, source="B")),
    ]
    tested = [
        *make.films(2, split="test"),
        *make.films(2, source="B", split="test"),
        *make.films(2, source="C", split="test"),
    ]
    found = measure_baselines([fold(train, tested)], [PNEUMONIA], make.glances([*train, *tested]))
    scores = {s.file: s.score for s in found.scores if s.predictor == "source"}
    assert scores["A-test-0.png"] == pytest.approx(0.5, abs=0.01)
    assert scores["B-test-0.png"] > 0.97
    assert scores["C-test-0.png"] == pytest.approx(40 / 60)


def test_patients_that_are_numbered_in_one_series_are_scored_by_their_number(make: SimpleNamespace) -> None:
    def numbered(films: list[Film], series: str) -> list[Film]:
        return [replace(f, patient=f"{series}{1000 * (not f.known['Pneumonia']) + i:05}") for i, f in enumerate(films)]

    train, tested = numbered(make.films(40), "x:"), numbered(make.films(20, split="test"), "x:")
    found = measure_baselines([fold(train, tested)], [PNEUMONIA], make.glances([*train, *tested]))
    assert area(found, tested, "patient number") == 1
    mixed = [*numbered(make.films(20, source="B"), "y:"), *train]
    found = measure_baselines([fold(mixed, tested)], [PNEUMONIA], make.glances([*mixed, *tested]))
    (reason,) = {omission.reason for omission in found.omissions if omission.predictor == "patient number"}
    assert "several series" in reason


def test_training_films_of_one_class_give_no_baseline_but_a_reason(make: SimpleNamespace) -> None:
    train, tested = make.films(20)[::2], make.films(20, split="test")
    found = measure_baselines([fold(train, tested)], [PNEUMONIA], make.glances([*train, *tested]))
    assert not found.scores
    assert {omission.reason for omission in found.omissions} == {
        "the training films of this comparison are all of one class"
    }
    assert len(found.omissions) == len(PREDICTORS)


def test_thresholds_come_from_the_validation_films(make: SimpleNamespace) -> None:
    train, val, tested = make.films(40), make.films(40, split="val"), make.films(20, split="test")
    level = {"train": (0.6, 0.3), "val": (0.5, 0.2), "test": (0.6, 0.3)}
    glances = make.glances(
        [*train, *val, *tested], brightness=lambda film: level[film.split][0 if film.known["Pneumonia"] else 1]
    )
    found = measure_baselines([fold(train, tested, val)], [PNEUMONIA], glances)
    (cut,) = [cut for cut in found.cuts if cut.predictor == "brightness"]
    assert cut.threshold == 0.5


def test_the_best_cut_has_the_best_f1() -> None:
    scores, truth = np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, True, False, True])
    assert best_cut(scores, truth) == 0.2
