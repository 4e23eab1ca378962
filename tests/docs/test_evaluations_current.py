"""The committed evaluations and audits come from their tables, number for number."""

from __future__ import annotations

from pathlib import Path

import pytest
from radiolucent.evaluation.explanations.profiled import kept_profiles
from radiolucent.evaluation.explanations.storing import is_audit, read_audit_tables
from radiolucent.evaluation.explanations.writing import write_audit
from radiolucent.evaluation.writing import evaluate_tables

CHECKOUT = Path(__file__).parents[2]
TABLES = sorted(CHECKOUT.glob("docs/evaluation/*/tables"))
AUDITS = [tables for tables in TABLES if is_audit(tables)]
EVALUATIONS = [tables for tables in TABLES if not is_audit(tables)]


def test_there_are_committed_evaluations() -> None:
    assert EVALUATIONS


@pytest.mark.parametrize("tables", EVALUATIONS, ids=lambda tables: tables.parent.name)
def test_every_number_comes_from_the_tables(tables: Path, tmp_path: Path) -> None:
    evaluate_tables(tables, tmp_path)
    for name in ("evaluation.json", "evaluation.md"):
        assert (tmp_path / name).read_text() == (tables.parent / name).read_text(), "run `make evaluation`"


@pytest.mark.parametrize("tables", AUDITS, ids=lambda tables: tables.parent.name)
def test_every_number_of_an_audit_comes_from_the_tables(tables: Path, tmp_path: Path) -> None:
    write_audit(read_audit_tables(tables), tmp_path, profiles=kept_profiles(tables))
    for name in ("audit_result.json", "audit.md"):
        assert (tmp_path / name).read_text() == (tables.parent / name).read_text(), "run `make evaluation`"


@pytest.mark.parametrize("tables", AUDITS, ids=lambda tables: tables.parent.name)
def test_no_film_and_no_map_of_an_audit_is_committed(tables: Path) -> None:
    """A report with pictures, maps (input x gradient shows the film) and records of films stay where they were made."""
    files = {path.name for path in tables.parent.iterdir()}
    assert files == {"audit.md", "audit_result.json", "report.html", "tables"}
    page = (tables.parent / "report.html").read_text()
    assert "no X-ray and no map is in it" in page
    assert "image/webp" not in page
    assert "image/png" not in page
