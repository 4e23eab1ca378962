"""Whoever sees the votes on an X-ray unlike the training data sees that it is."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import csv
import json

import pytest
from pyarrow import parquet
from radiolucent.client import Client, Likeness

WARNING = "Do not rely on the votes."


def test_a_classification_carries_what_the_guard_says(unlike, xray) -> None:
    with Client(unlike.address) as client:
        classification = client.classify(xray)
    assert classification.likeness == Likeness(
        7.5, 1.5, 0.0078125, warns=True, text="Unlike: none of 127. Do not rely on the votes."
    )
    assert classification.warning == classification.likeness.text


def test_where_there_is_no_guard_nothing_is_known_and_nothing_is_warned_of(fake, xray) -> None:
    with Client(fake.address) as client:
        classification = client.classify(xray)
    assert classification.likeness is None
    assert classification.warning == ""


def test_classify_warns_before_the_votes(program, unlike, xray) -> None:
    ran = program("classify", xray, "--address", unlike.address)
    assert ran.code == 0
    assert ran.out.index("WARNING: ") < ran.out.index(WARNING) < ran.out.index("majority")
    (answer,) = json.loads(program("classify", xray, "--address", unlike.address, "--json").out)
    assert answer["likeness"]["warns"] is True
    assert answer["likeness"]["share"] == 0.0078125


def test_classify_says_that_an_xray_is_like_the_training_data_or_that_nobody_knows(program, fake, xray) -> None:
    unguarded = program("classify", xray, "--address", fake.address).out
    assert "WARNING" not in unguarded
    assert "no guard" in unguarded


def test_a_film_like_the_others_has_no_warning(program, like, xray) -> None:
    out = program("classify", xray, "--address", like.address).out
    assert "WARNING" not in out
    assert "95 of 127" in out


def test_explain_warns_as_soon_as_there_are_votes_and_in_its_files(program, unlike, xray, tmp_path) -> None:
    out = tmp_path / "out"
    ran = program("explain", xray, "--method", "saliency", "--out", out, "--address", unlike.address)
    assert ran.code == 0, ran.err
    assert "WARNING: Unlike: none of 127." in ran.err
    assert "WARNING: " in ran.out
    result = json.loads((out / "result.json").read_text())
    assert result["classification"]["likeness"]["warns"] is True


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_batch_marks_the_images_and_counts_them(program, unlike, xray, tmp_path, suffix) -> None:
    out = tmp_path / f"scores.{suffix}"
    ran = program("batch", xray.parent, "--out", out, "--address", unlike.address)
    assert ran.code == 0, ran.err
    assert "WARNING: 1 of these 1 are unlike the training data" in " ".join(ran.err.split())
    if suffix == "csv":
        with out.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert {(row["unlikeness"], row["likeness_share"], row["unlike_training"]) for row in rows} == {
            ("7.5", "0.0078125", "true")
        }
    else:
        rows = parquet.read_table(out).to_pylist()
        assert {(row["unlikeness"], row["likeness_share"], row["unlike_training"]) for row in rows} == {
            (7.5, 0.0078125, True)
        }


def test_without_a_guard_the_columns_of_a_batch_are_empty(program, fake, xray, tmp_path) -> None:
    out = tmp_path / "scores.parquet"
    assert program("batch", xray.parent, "--out", out, "--address", fake.address).code == 0
    row = parquet.read_table(out).to_pylist()[0]
    assert (row["unlikeness"], row["likeness_share"], row["unlike_training"]) == (None, None, None)
