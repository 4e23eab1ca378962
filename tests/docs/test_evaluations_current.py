"""The committed evaluations come from their tables, number for number."""

from __future__ import annotations

from pathlib import Path

import pytest
from radiolucent.evaluation.writing import evaluate_tables

CHECKOUT = Path(__file__).parents[2]
TABLES = sorted(CHECKOUT.glob("docs/evaluation/*/tables"))


def test_there_are_committed_evaluations() -> None:
    assert TABLES


@pytest.mark.parametrize("tables", TABLES, ids=lambda tables: tables.parent.name)
def test_every_number_comes_from_the_tables(tables: Path, tmp_path: Path) -> None:
    evaluate_tables(tables, tmp_path)
    for name in ("evaluation.json", "evaluation.md"):
        assert (tmp_path / name).read_text() == (tables.parent / name).read_text(), "run `make evaluation`"
