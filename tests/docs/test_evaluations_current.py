"""The committed evaluations and audits come from their tables, number for number."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from radiolucent.evaluation.explanations.profiled import kept_profiles
from radiolucent.evaluation.explanations.storing import is_audit, read_audit_tables
from radiolucent.evaluation.explanations.writing import write_audit
from radiolucent.evaluation.writing import evaluate_tables

CHECKOUT = Path(__file__).parents[2]
TABLES = sorted(CHECKOUT.glob("docs/evaluation/*/tables"))
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
AUDITS = [tables for tables in TABLES if is_audit(tables)]
EVALUATIONS = [tables for tables in TABLES if not is_audit(tables)]


def assert_same(made: Path, committed: Path) -> None:
    """Compare two files; another processor adds up in another order, which may move a number's last digit by one."""
    one, other = made.read_text(), committed.read_text()
    assert NUMBER.split(one) == NUMBER.split(other), "run `make evaluation`"
    for number, known in zip(NUMBER.findall(one), NUMBER.findall(other), strict=True):
        if number != known:
            unit = 10.0 ** min(int(Decimal(text).as_tuple().exponent) for text in (number, known))
            assert unit < 1, f"{number}, {known}: run `make evaluation`"
            assert float(number) == pytest.approx(float(known), rel=0, abs=1.01 * unit), "run `make evaluation`"


@pytest.mark.parametrize(
    ("made", "same"), [("0.31", True), ("0.3", True), ("0.30", True), ("0.32", False), ("1", False)]
)
def test_a_number_is_the_same_to_its_last_digit(made: str, same: bool, tmp_path: Path) -> None:
    for name, text in (("made", made), ("committed", "0.30")):
        (tmp_path / name).write_text(f"| 12 | {text} (0.1 to 0.4) |")
    if same:
        assert_same(tmp_path / "made", tmp_path / "committed")
        return
    with pytest.raises(AssertionError, match="make evaluation"):
        assert_same(tmp_path / "made", tmp_path / "committed")


def test_there_are_committed_evaluations() -> None:
    assert EVALUATIONS


@pytest.mark.parametrize("tables", EVALUATIONS, ids=lambda tables: tables.parent.name)
def test_every_number_comes_from_the_tables(tables: Path, tmp_path: Path) -> None:
    evaluate_tables(tables, tmp_path)
    for name in ("evaluation.json", "evaluation.md"):
        assert_same(tmp_path / name, tables.parent / name)


@pytest.mark.parametrize("tables", AUDITS, ids=lambda tables: tables.parent.name)
def test_every_number_of_an_audit_comes_from_the_tables(tables: Path, tmp_path: Path) -> None:
    write_audit(read_audit_tables(tables), tmp_path, profiles=kept_profiles(tables))
    for name in ("audit_result.json", "audit.md"):
        assert_same(tmp_path / name, tables.parent / name)


@pytest.mark.parametrize("tables", AUDITS, ids=lambda tables: tables.parent.name)
def test_no_film_and_no_map_of_an_audit_is_committed(tables: Path) -> None:
    """A report with pictures, maps (input x gradient shows the film) and records of films stay where they were made."""
    files = {path.name for path in tables.parent.iterdir()}
    assert files == {"audit.md", "audit_result.json", "report.html", "tables"}
    page = (tables.parent / "report.html").read_text()
    assert "no X-ray and no map is in it" in page
    assert "image/webp" not in page
    assert "image/png" not in page
