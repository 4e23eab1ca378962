from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from radiolucent.datasets import Film
from radiolucent.evaluation.comparing import compare
from radiolucent.evaluation.comparisons import Comparison
from radiolucent.evaluation.shortcuts.verdict import verdict, verdicts
from radiolucent.evaluation.tables import BaselineScore, Predictions
from radiolucent.handlers.evaluated import ShortcutVerdict

WITHIN = Comparison("Pneumonia", source="A")


def noisy(films: Sequence[Film], strength: float, seed: int) -> list[float]:
    noise = np.random.default_rng(seed).normal(size=len(films))
    return [strength * film.known["Pneumonia"] + float(n) for film, n in zip(films, noise, strict=True)]


def baseline(
    films: Sequence[Film], scores: Sequence[float], comparison: Comparison = WITHIN, name: str = "thumbnail"
) -> list[BaselineScore]:
    return [BaselineScore(comparison.name, name, "split", f.file, s) for f, s in zip(films, scores, strict=True)]


def judge(predictions: Predictions, baselines: list[BaselineScore], *comparisons: Comparison) -> ShortcutVerdict:
    results = [compare(predictions, baselines, one) for one in comparisons or (WITHIN,)]
    return verdict(results, "Pneumonia")


def test_a_signal_that_no_baseline_sees_excludes_the_shortcut(make: SimpleNamespace) -> None:
    films = make.films(120, split="test")
    said = judge(make.predictions(films, noisy(films, 4, 1)), baseline(films, noisy(films, 0, 2)))
    assert said.excluded
    assert said.text.startswith("shortcut excluded: in Pneumonia vs the rest in A (60 and 60 patients) the AUROC")
    assert said.comparison == WITHIN.name
    assert said.baseline == "thumbnail"
    assert said.difference is not None
    assert said.difference.low is not None
    assert said.difference.low > 0


def test_a_score_that_a_baseline_reaches_too_does_not(make: SimpleNamespace) -> None:
    films = make.films(120, split="test")
    said = judge(make.predictions(films, noisy(films, 4, 1)), baseline(films, noisy(films, 4, 2)))
    assert not said.excluded
    assert "which must lie above 0" in said.text
    assert said.difference is not None


def test_few_patients_exclude_nothing_however_good_the_score(make: SimpleNamespace) -> None:
    films = make.films(58, split="test")
    said = judge(make.predictions(films, noisy(films, 50, 1)), baseline(films, noisy(films, 0, 2)))
    assert not said.excluded
    assert said.text == (
        "shortcut not excluded: no comparison within one source has 30 patients on either side; the largest, "
        "Pneumonia vs the rest in A, has 29 and 29"
    )
    assert said.difference is None


def test_all_films_together_exclude_nothing(make: SimpleNamespace) -> None:
    films = make.films(120, split="test")
    pooled = Comparison("Pneumonia")
    said = judge(make.predictions(films, noisy(films, 50, 1)), baseline(films, noisy(films, 0, 2), pooled), pooled)
    assert not said.excluded
    assert "no source has films with and films without" in said.text


def test_without_baselines_nothing_is_excluded(make: SimpleNamespace) -> None:
    films = make.films(120, split="test")
    said = judge(make.predictions(films, noisy(films, 50, 1)), [])
    assert not said.excluded
    assert "no baseline was measured" in said.text


def test_the_largest_source_decides_and_not_the_one_that_pleases(make: SimpleNamespace) -> None:
    large, small = make.films(200, split="test"), make.films(80, source="B", split="test")
    other = Comparison("Pneumonia", source="B")
    predictions = make.predictions([*large, *small], [*noisy(large, 1, 1), *noisy(small, 9, 2)])
    rows = [*baseline(large, noisy(large, 1, 3)), *baseline(small, noisy(small, 0, 4), other)]
    said = judge(predictions, rows, other, WITHIN)
    assert said.comparison == WITHIN.name
    assert not said.excluded


def test_many_baselines_are_harder_to_beat_than_the_best_of_them(make: SimpleNamespace) -> None:
    films = make.films(120, split="test")
    predictions = make.predictions(films, noisy(films, 2, 1))
    rows = {seed: baseline(films, noisy(films, 1, seed), name=f"baseline {seed}") for seed in range(10, 16)}
    together = compare(predictions, [row for each in rows.values() for row in each], WITHIN)
    best = next(each for each in rows.values() if each[0].predictor == together.best_baseline)
    alone = compare(predictions, best, WITHIN)
    one, many = alone.differences["net"], together.differences["net"]
    assert one.value == pytest.approx(many.value)
    assert one.low is not None
    assert many.low is not None
    assert many.low < one.low


def test_every_label_gets_a_verdict_and_networks_their_own(make: SimpleNamespace) -> None:
    films = make.films(120, split="test")
    predictions = make.predictions(films, noisy(films, 4, 1))
    results = [compare(predictions, baseline(films, noisy(films, 0, 2)), WITHIN)]
    found = verdicts(results, ["Pneumonia", "No Finding"], "net")
    assert [one.label for one in found] == ["Pneumonia", "No Finding"]
    assert [one.excluded for one in found] == [True, False]
    assert "AUROC of the net is" in found[0].text
