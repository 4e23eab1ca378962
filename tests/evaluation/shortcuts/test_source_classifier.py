from types import SimpleNamespace

import numpy as np
import pytest
from radiolucent.datasets import Film
from radiolucent.evaluation.folds import Fold
from radiolucent.evaluation.shortcuts.errors import NotApplicable
from radiolucent.evaluation.shortcuts.source_classifier import score_sources, source_scores
from radiolucent.evaluation.statistics import resampling_of


@pytest.fixture
def fold(make: SimpleNamespace) -> Fold:
    train = (*make.films(60), *make.films(40, source="B/part"))
    return Fold("split", train, (*make.films(40, split="test"), *make.films(40, source="B", split="test")))


def features(fold: Fold, trace: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)

    def of(film: Film) -> np.ndarray:
        values = rng.normal(size=20).astype(np.float32)
        values[3] += trace * (film.main_source == "B")
        return values

    return {film.file: of(film) for film in (*fold.train, *fold.tested)}


def test_a_trace_of_the_source_in_the_features_is_found(make: SimpleNamespace, fold: Fold) -> None:
    predictions = make.predictions(fold.tested, [0.0] * len(fold.tested))
    for trace, low, high in ((4, 0.95, 1.0), (0, 0.3, 0.7)):
        scores = source_scores(fold, "net, features", features(fold, trace))
        a, b = score_sources(scores, predictions, resampling_of(predictions, 200))
        assert (a.source, b.source) == ("A", "B")
        assert a.auroc.value == pytest.approx(b.auroc.value)
        assert b.auroc.value is not None
        assert low <= b.auroc.value <= high
        assert (b.inside.patients, b.outside.patients, b.estimable) == (40, 40, True)
        assert b.auroc.low is not None


def test_one_source_cannot_be_told_from_others(make: SimpleNamespace) -> None:
    fold = Fold("split", (*make.films(60), *make.films(4, source="B")), tuple(make.films(10, split="test")))
    with pytest.raises(NotApplicable, match="fewer than two sources"):
        source_scores(fold, "film", features(fold, 1))
