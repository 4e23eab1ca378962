"""What a licence forbids for one film it forbids for the network."""

from __future__ import annotations

from pathlib import Path

import pytest
from radiolucent.datasets import DataSet, Film
from radiolucent.training.data_record import record_of


@pytest.mark.parametrize(
    ("training", "expected"),
    [([True, True], True), ([True, None], None), ([True, None, False], False), ([], None)],
)
def test_one_training_film_decides_over_commercial_use(training: list[bool | None], expected: bool | None) -> None:
    allowed = [("train", one) for one in training] + [("test", False)]
    films = tuple(
        Film(Path("x"), str(i), i, {}, str(i), split=split, commercial_use=one)
        for i, (split, one) in enumerate(allowed)
    )
    record = record_of(DataSet(Path("m.csv"), "films", "0" * 64, (), films), commercial_only=False)
    assert record.commercial_use is expected
    assert not record.commercial_only
