"""What is said of a guard is what its scores say."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from radiolucent.datasets import Film
from radiolucent.evaluation.errors import EvaluationError
from radiolucent.evaluation.likeness import (
    FILM,
    GuardResult,
    GuardScores,
    guard_markdown,
    measure_guard,
    read_scores,
    score_guard,
    write_scores,
)
from radiolucent.evaluation.likeness.changes import CHANGES
from radiolucent.evaluation.likeness.strangers import OTHER_IMAGES, PHOTOGRAPHS, STRANGERS, read_strangers
from radiolucent.handlers.card import DataRecord
from radiolucent.handlers.guard import Guard, Scale
from sklearn.metrics import roc_auc_score, roc_curve

DATA = DataRecord(name="made up", checksum="0" * 64)
DOCS = Path(__file__).parents[2] / "docs" / "evaluation"


def made_up(patients: int = 60) -> GuardScores:
    random = np.random.default_rng(0)
    groups = [f"g{number // 2}" for number in range(2 * patients)]
    sources = ["A" if number < patients else "B" for number in range(2 * patients)]
    films = random.normal(0, 1, 2 * patients).round(4)
    inverted = random.normal(2, 1, 2 * patients).round(4)
    photographs = random.normal(3, 1, 20).round(4)
    names = [f"photo {number}" for number in range(20)]
    return GuardScores(
        threshold=1.5,
        kinds=[FILM] * len(films) + ["inverted"] * len(films) + ["photographs"] * 20,
        files=[f"{n}.png" for n in range(len(films))] * 2 + names,
        groups=groups * 2 + names,
        sources=sources * 2 + [""] * 20,
        unlikeness=np.concatenate([films, inverted, photographs]),
    )


@pytest.fixture(scope="module")
def result() -> GuardResult:
    return score_guard(made_up(), DATA, resamples=200)


def test_numbers_are_those_of_the_library(result: GuardResult) -> None:
    scores, kinds = made_up(), np.asarray(made_up().kinds)
    films = scores.unlikeness[kinds == FILM]
    assert [one.kind for one in result.kinds] == ["inverted", "photographs"]
    for found in result.kinds:
        strange = scores.unlikeness[kinds == found.kind]
        truth, both = np.r_[np.zeros(len(films)), np.ones(len(strange))], np.r_[films, strange]
        assert found.auroc.value == pytest.approx(roc_auc_score(truth, both), abs=1e-6)
        false, true, _ = roc_curve(truth, both, drop_intermediate=False)
        assert found.false_positives.value == pytest.approx(false[np.argmax(true >= 0.95)], abs=1e-6)
        assert found.warned.value == pytest.approx((strange > 1.5).mean(), abs=1e-6)
        for score in (found.auroc, found.false_positives):
            assert score.low is not None
            assert score.high is not None
            assert score.low <= score.value <= score.high


def test_false_alarms_are_told_for_each_source(result: GuardResult) -> None:
    whole, *parts = result.alarms
    assert [(one.source, one.films, one.patients) for one in parts] == [("A", 60, 30), ("B", 60, 30)]
    assert whole.warned == sum(one.warned for one in parts)
    assert whole.rate.value == pytest.approx(whole.warned / 120, abs=1e-6)
    assert whole.auroc is None
    assert parts[0].auroc is not None
    assert parts[0].auroc.value + parts[1].auroc.value == pytest.approx(1)


def test_no_false_alarm_at_all_is_no_proof_that_there_are_none() -> None:
    scores = made_up()
    (alarms, *_) = score_guard(GuardScores(9.0, *_columns(scores), scores.unlikeness), DATA, resamples=100).alarms
    assert alarms.rate.value == 0
    assert alarms.rate.high == pytest.approx(1.96**2 / (60 + 1.96**2), abs=1e-3)  # Wilson's, of 60 patients


def test_a_stored_table_gives_the_same_numbers_again(tmp_path: Path, result: GuardResult) -> None:
    write_scores(made_up(), tmp_path / "scores.csv")
    assert score_guard(read_scores(tmp_path / "scores.csv"), DATA, resamples=200) == result
    (tmp_path / "scores.csv").write_text("kind,file\n")
    with pytest.raises(EvaluationError, match=r"scores\.csv"):
        read_scores(tmp_path / "scores.csv")


def test_the_committed_numbers_are_those_of_the_committed_scores() -> None:
    committed = GuardResult.model_validate_json((DOCS / "guard.json").read_bytes())
    again = score_guard(read_scores(DOCS / "guard_scores.csv"), committed.data)
    assert again == committed, "run `python -m benchmarks.guard --from-scores`"
    assert guard_markdown(committed) in (DOCS / "guard.md").read_text()
    others = json.loads((DOCS / "guard_others.json").read_text())
    assert others["data"] == {"name": committed.data.name, "checksum": committed.data.checksum}


def test_films_are_measured_as_they_are_and_changed_and_strangers_too(tmp_path: Path) -> None:
    row = np.mgrid[0:16, 0:16][0].ravel() - 7.5
    guard = Guard(
        films=100,
        mean=tuple((row / row.std()).round(4).tolist()),
        components=((1.0,) + (0.0,) * 255,),
        variances=(1.0,),
        noise=1.0,
        distance=Scale(median=10, spread=10),
        gain=Scale(median=0, spread=10),
        held_out=tuple(np.linspace(-1, 1, 99).round(4).tolist()),
    )
    films = []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.tile(np.linspace(0, 250, 64)[:, None], (1, 60)).astype(np.uint8)).save(path)
        films.append(Film(path, path.name, number + 2, {}, f"g{number}", source="A/b"))
    told: list[tuple[int, int]] = []
    scores = measure_guard(guard, films, lambda task, done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    kinds = np.asarray(scores.kinds)
    assert list(dict.fromkeys(scores.kinds)) == [FILM, *CHANGES, *STRANGERS]
    assert set(np.asarray(scores.sources)[kinds == FILM]) == {"A"}
    assert (scores.unlikeness[kinds == FILM] < scores.unlikeness[kinds == "inverted"]).all()
    assert (scores.unlikeness[kinds == PHOTOGRAPHS] > scores.threshold).mean() > 0.8


def test_packages_bring_the_strangers() -> None:
    assert len(list(read_strangers(PHOTOGRAPHS))) >= 20
    assert len(list(read_strangers(OTHER_IMAGES))) >= 8


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (301, 200)])
def test_every_change_leaves_a_picture(shape: tuple[int, int]) -> None:
    for change in CHANGES.values():
        changed = change(np.zeros(shape, dtype=np.float32))
        assert math.prod(changed.shape) >= 1


def _columns(scores: GuardScores) -> tuple[list[str], list[str], list[str], list[str]]:
    return list(scores.kinds), list(scores.files), list(scores.groups), list(scores.sources)
