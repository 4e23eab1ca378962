"""What is stored comes back as it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from radiolucent.datasets import Film
from radiolucent.evaluation.errors import TableError
from radiolucent.evaluation.storing import read_baselines, read_predictions, write_baselines, write_predictions
from radiolucent.evaluation.tables import BaselineScore, Decision, Predictions, PredictionsHead
from radiolucent.handlers.calibration import Calibration
from radiolucent.handlers.card import DataRecord, Label

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=12)
LOGITS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2)
KNOWN = st.dictionaries(st.sampled_from(["A", "B, c"]), st.booleans())
FILM = st.builds(
    Film,
    path=st.just(Path("x")),
    file=TEXT,
    line=st.just(0),
    known=KNOWN,
    group=TEXT,
    patient=TEXT,
    split=st.sampled_from(["train", "val", "test", None]),
    source=TEXT,
    view=TEXT,
    sex=TEXT,
    age=st.none() | st.floats(0, 130),
    width=st.none() | st.integers(1, 9999),
    height=st.none() | st.integers(1, 9999),
)


def predictions_of(rows: list[tuple[Film, str, list[float]]]) -> Predictions:
    calibration = Calibration(method="platt", scale=(1.5, 0.1), offset=(0.1, -3))
    decisions = {"net": Decision(thresholds=(0.3, 0.7), calibration=calibration)}
    head = PredictionsHead(
        data=DataRecord(name="made-up", checksum="0" * 64),
        labels=(Label(name="A"), Label(name="B, c")),
        decisions={"one": decisions, "two": decisions},
        mean_thresholds={"one": (0.1, 0.2), "two": (0.5, 0.5)},
        train_films={"one": 7, "two": 8},
    )
    logits = np.array([values for _, _, values in rows], dtype=np.float32).reshape(-1, 2)
    return Predictions(head, tuple(film for film, _, _ in rows), tuple(fold for _, fold, _ in rows), {"net": logits})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.tuples(FILM, st.sampled_from(["one", "two"]), LOGITS), min_size=1))
def test_predictions_come_back_bit_for_bit(tmp_path: Path, rows: list[tuple[Film, str, list[float]]]) -> None:
    written = predictions_of(rows)
    write_predictions(written, tmp_path)
    read = read_predictions(tmp_path)
    assert read.head == written.head
    assert read.folds == written.folds
    assert [replace(film, path=Path("x")) for film in read.films] == list(written.films)
    np.testing.assert_array_equal(read.logits["net"].view(np.uint32), written.logits["net"].view(np.uint32))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    st.lists(
        st.builds(BaselineScore, TEXT, TEXT, TEXT, TEXT, st.floats(allow_nan=False, allow_infinity=False)),
        unique_by=lambda row: (row.comparison, row.predictor, row.fold, row.file),
    )
)
def test_baselines_come_back(tmp_path: Path, rows: list[BaselineScore]) -> None:
    write_baselines(rows, tmp_path / "baselines.csv")
    assert set(read_baselines(tmp_path / "baselines.csv")) == set(rows)


def test_writing_twice_gives_the_same_bytes(tmp_path: Path, make_predictions) -> None:  # noqa: ANN001
    write_predictions(make_predictions(films=30, patients=20), tmp_path / "a")
    write_predictions(read_predictions(tmp_path / "a"), tmp_path / "b")
    for name in ("predictions.csv", "predictions.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_all_problems_of_a_table_are_told_with_their_lines(tmp_path: Path, make_predictions) -> None:  # noqa: ANN001
    write_predictions(make_predictions(films=10, patients=10), tmp_path)
    path = tmp_path / "predictions.csv"
    lines = path.read_text().splitlines()
    lines[2] = lines[2].replace("split,", "elsewhere,", 1)
    lines[4] = lines[4].rsplit(",", 1)[0] + ",nan"
    lines[5] = lines[5].rsplit(",", 1)[0]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(TableError) as caught:
        read_predictions(tmp_path)
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["line 3", "line 5", "line 6"]


def test_other_columns_than_the_head_tells_of_are_refused(tmp_path: Path, make_predictions) -> None:  # noqa: ANN001
    write_predictions(make_predictions(films=10, patients=10), tmp_path)
    path = tmp_path / "predictions.csv"
    path.write_text(path.read_text().replace("logit resnet34 COVID-19", "logit vgg COVID-19", 1))
    with pytest.raises(TableError, match="logit resnet34 COVID-19, logit vgg COVID-19"):
        read_predictions(tmp_path)


def test_a_logit_that_is_not_finite_is_not_stored(tmp_path: Path, make_predictions) -> None:  # noqa: ANN001
    found = make_predictions(films=10, patients=10)
    found.logits["resnet18"][3, 1] = np.inf
    with pytest.raises(TableError, match="resnet18 has logits that are not finite"):
        write_predictions(found, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_name_that_a_table_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot be stored"):
        write_baselines([BaselineScore("a", "b", "c", "file\r", 1.0)], tmp_path / "baselines.csv")
