from types import SimpleNamespace

from radiolucent.evaluation.comparisons import Comparison
from radiolucent.evaluation.folds import Fold
from radiolucent.evaluation.shortcuts.baselines import measure_baselines
from radiolucent.evaluation.shortcuts.cut import BaselineCuts
from radiolucent.evaluation.shortcuts.left_out_sources import left_out_sources
from radiolucent.evaluation.statistics import resampling_of


def test_each_left_out_source_is_scored_beside_baselines_and_what_lacks_films_is_not_measurable(
    make: SimpleNamespace,
) -> None:
    both = make.films(80, split="test")
    sick = make.films(40, source="B", split="test", sick=True)
    logits = [1.0 if film.known["Pneumonia"] else -1.0 for film in both] + [1.0] * 30 + [-1.0] * 10
    predictions = make.predictions([*both, *sick], logits, ["without-a"] * 80 + ["without-b"] * 40)
    folds = [
        Fold("without-a", (*make.films(20, source="C"), *sick), tuple(both)),
        Fold("without-b", tuple(both), tuple(sick)),
    ]
    comparisons = [Comparison("Pneumonia"), Comparison("No Finding")]
    films = {film.file: film for fold in folds for film in (*fold.train, *fold.tested)}
    measured = measure_baselines(folds, comparisons, make.glances(list(films.values())))
    resampling = resampling_of(predictions, 200)
    rows = left_out_sources(predictions, measured.scores, BaselineCuts(cuts=measured.cuts), resampling)
    found = {(row.source, row.label): row for row in rows}
    assert list(found) == [("A", "Pneumonia"), ("A", "No Finding"), ("B", "Pneumonia"), ("B", "No Finding")]
    whole, left = found["A", "Pneumonia"], found["B", "Pneumonia"]
    assert whole.auroc is not None
    assert whole.auroc["net"].value == 1
    assert {"thumbnail", "source", "mean probability"} <= set(whole.auroc)
    assert left.recall is not None
    assert left.recall["net"].value == 0.75
    assert left.specificity is None
    assert left.auroc is None
    assert left.why_not(left.negative) == "not measurable"


def test_other_folds_leave_no_source_out(make: SimpleNamespace) -> None:
    films = [*make.films(10, split="test"), *make.films(10, source="B", split="test")]
    predictions = make.predictions(films, [0.0] * 20, ["fold-1", "fold-2"] * 10)
    assert left_out_sources(predictions, [], BaselineCuts(cuts=()), resampling_of(predictions, 50)) == ()
