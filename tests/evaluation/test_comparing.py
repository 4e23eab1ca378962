"""Predictors against baselines that know no medicine."""

from dataclasses import replace

import numpy as np
import pytest
from radiolucent.evaluation.comparing import compare
from radiolucent.evaluation.comparisons import Comparison
from radiolucent.evaluation.default_comparisons import default_comparisons, parse_comparison
from radiolucent.evaluation.errors import EvaluationError
from radiolucent.evaluation.statistics import GroupBootstrap
from radiolucent.evaluation.statistics.predictors import MEAN
from radiolucent.evaluation.tables import BaselineScore, Predictions
from sklearn.metrics import roc_auc_score

NIH = Comparison("Pneumonia", "No Finding", source="NIH ChestX-ray14")


def quick(predictions: Predictions) -> GroupBootstrap:
    return GroupBootstrap([film.group for film in predictions.films], resamples=200)


def test_auroc_and_difference_are_of_the_same_films(make_predictions, make_baselines) -> None:  # noqa: ANN001
    found = make_predictions()
    baselines = make_baselines(found, [NIH, Comparison("Pneumonia")])
    result = compare(found, baselines, NIH, quick(found))
    truth = NIH.truth(found.films)
    here = ~np.isnan(truth)
    assert result.positive.films + result.negative.films == here.sum()
    mean = np.stack([vote.mean for vote in found.votes()])[here, 1]
    scores = {b.file: b.score for b in baselines if b.comparison == NIH.name and b.predictor == "thumbnail"}
    thumbnail = [scores[film.file] for film, there in zip(found.films, here, strict=True) if there]
    expected = roc_auc_score(truth[here], mean) - roc_auc_score(truth[here], thumbnail)
    assert result.best_baseline == "thumbnail"
    assert result.auroc[MEAN].value == pytest.approx(roc_auc_score(truth[here], mean), abs=1e-6)
    assert result.difference is not None
    assert result.difference.value == pytest.approx(expected, abs=2e-6)
    assert result.difference.low < result.difference.value < result.difference.high


def test_fewer_than_thirty_patients_on_a_side_are_not_estimable(make_predictions, make_baselines) -> None:  # noqa: ANN001
    found = make_predictions()
    truth = NIH.truth(found.films)
    patients = sorted({film.group for film, t in zip(found.films, truth, strict=True) if t == 0})
    for kept, estimable in ((30, True), (29, False)):
        chosen = set(patients[:kept])
        rows = [i for i, t in enumerate(truth) if t != 0 or found.films[i].group in chosen]
        part = Predictions(
            found.head,
            tuple(found.films[i] for i in rows),
            tuple(found.folds[i] for i in rows),
            {name: values[rows] for name, values in found.logits.items()},
        )
        result = compare(part, make_baselines(part, [NIH]), NIH, quick(part))
        assert result.negative.patients == kept
        assert result.estimable is estimable
        assert (result.auroc[MEAN].value is not None) is estimable
        assert bool(result.differences) is estimable


def test_all_films_with_few_patients_keep_their_numbers_and_are_marked(make_predictions) -> None:  # noqa: ANN001
    found = make_predictions(films=60, patients=45)
    result = compare(found, [], Comparison("COVID-19"), quick(found))
    assert result.is_pooled
    assert not result.estimable
    assert result.auroc[MEAN].value is not None
    assert result.best_baseline is None
    assert result.differences == {}


def test_a_baseline_that_lacks_films_is_left_out_by_name(make_predictions, make_baselines) -> None:  # noqa: ANN001
    found = make_predictions()
    baselines = [b for b in make_baselines(found, [NIH]) if b.predictor != "brightness" or b.score > 0]
    result = compare(found, baselines, NIH, quick(found))
    assert list(result.baselines) == ["thumbnail"]
    assert list(result.left_out) == ["brightness"]


def test_a_film_of_unknown_label_takes_no_part(make_predictions) -> None:  # noqa: ANN001
    found = make_predictions()
    films = list(found.films)
    films[0] = replace(films[0], known={})
    result = compare(replace(found, films=tuple(films)), [], Comparison("COVID-19"), quick(found))
    assert result.positive.films + result.negative.films == len(films) - 1


def test_default_comparisons_are_those_with_both_kinds_of_films(make_predictions) -> None:  # noqa: ANN001
    found = make_predictions()
    films = [film for film in found.films if film.main_source != "ieee8023" or film.known["COVID-19"]]
    names = [comparison.name for comparison in default_comparisons(films, ["COVID-19", "No Finding"])]
    assert names == [
        "COVID-19 vs the rest",
        "No Finding vs the rest",
        "COVID-19 vs the rest in NIH ChestX-ray14",
        "No Finding vs the rest in NIH ChestX-ray14",
        *(f"COVID-19 vs the rest in NIH ChestX-ray14, {view}" for view in ("AP", "PA")),
        *(f"No Finding vs the rest in NIH ChestX-ray14, {view}" for view in ("AP", "PA")),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "COVID-19 vs Pneumonia in ieee8023",
        "COVID-19 vs the rest",
        "Pneumonia vs No Finding in NIH ChestX-ray14, AP Supine",
    ],
)
def test_comparisons_are_read_as_tables_write_them(text: str) -> None:
    assert parse_comparison(text, ["COVID-19", "Pneumonia", "No Finding"]).name == text


@pytest.mark.parametrize("text", ["COVID-19", "Covid vs Pneumonia", "the rest vs Pneumonia", ""])
def test_what_is_no_comparison_is_refused(text: str) -> None:
    with pytest.raises(EvaluationError, match=r"is no comparison|is no label"):
        parse_comparison(text, ["COVID-19", "Pneumonia"])


def test_baselines_of_other_comparisons_do_not_count(make_predictions) -> None:  # noqa: ANN001
    found = make_predictions()
    others = [BaselineScore("something else", "thumbnail", "split", film.file, 1.0) for film in found.films]
    assert compare(found, others, NIH, quick(found)).baselines == {}
