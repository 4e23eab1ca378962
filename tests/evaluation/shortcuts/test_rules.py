from types import SimpleNamespace

import pytest
from radiolucent.evaluation.comparisons import Comparison
from radiolucent.evaluation.folds import Fold
from radiolucent.evaluation.shortcuts.baselines import measure_baselines
from radiolucent.evaluation.shortcuts.cut import BaselineCuts
from radiolucent.evaluation.shortcuts.rules import rule_scores
from radiolucent.evaluation.statistics import resampling_of


def test_the_rule_of_the_source_has_an_f1_by_majority_and_by_the_best_threshold(make: SimpleNamespace) -> None:
    train, tested = (
        (*make.films(41, split=split), *make.films(20, source="B", split=split, sick=True))
        for split in ("train", "test")
    )
    comparisons = [Comparison("Pneumonia"), Comparison("No Finding")]
    measured = measure_baselines([Fold("split", train, tested)], comparisons, make.glances([*train, *tested]))
    predictions = make.predictions(tested, [0.0] * len(tested))
    rows = rule_scores(predictions, measured.scores, BaselineCuts(cuts=measured.cuts), resampling_of(predictions, 100))
    found = {(row.predictor, row.rule): row for row in rows}
    majority, best = found["source", "majority"], found["source", "best F1"]
    # Of A, 20 of 41 have pneumonia: the majority calls it healthy, the best F1 calls all films pneumonia.
    assert majority.f1["Pneumonia"].value == pytest.approx(2 * 20 / (2 * 20 + 20))
    assert best.f1["Pneumonia"].value == pytest.approx(2 * 40 / (2 * 40 + 21), abs=1e-5)
    assert best.f1["No Finding"].value == pytest.approx(2 * 21 / (2 * 21 + 20), abs=1e-5)
    assert ("thumbnail", "majority") not in found
    assert found["thumbnail", "best F1"].micro_f1.low is not None
