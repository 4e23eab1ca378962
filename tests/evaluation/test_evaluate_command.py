"""The command `radiolucent evaluate`: what it refuses, and how it ends."""

from pathlib import Path

import pytest
import typer
from radiolucent.evaluation.agreement import Agreement
from radiolucent.evaluation.comparisons import Comparison
from radiolucent.evaluation.evaluate_command import evaluate
from radiolucent.evaluation.stored import Asked, Tables, write_tables
from typer.testing import CliRunner, Result

ASKED = Asked(comparisons=(Comparison("COVID-19"),), resamples=100)


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(evaluate)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "name the manifest"),
        (("runs/a",), "name the manifest"),
        (("--manifest", "films.csv"), "nothing to evaluate"),
        (("--manifest", "films.csv", "--served"), "name what it serves"),
        (("--from-tables", "tables", "--seed", "1"), "takes nothing but --out"),
        (("--from-tables", "nowhere/tables"), "predictions.json: cannot be read"),
        (("runs/a", "--manifest", "nowhere/films.csv"), "nowhere/films.csv"),
    ],
)
def test_what_cannot_be_done_is_bad_input(arguments: tuple[str, ...], text: str, tmp_path: Path, monkeypatch) -> None:  # noqa: ANN001
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert text in result.stderr.replace("\n", " ")
    assert not list(tmp_path.iterdir()), "nothing was written"


@pytest.mark.parametrize(("difference", "code"), [(2e-4, 0), (2e-2, 1)])
def test_served_answers_that_differ_are_a_failure(
    difference: float,
    code: int,
    make_predictions,  # noqa: ANN001
    tmp_path: Path,
) -> None:
    found = Agreement(films=60, probabilities={"resnet18": difference}, votes_differ=0, majorities_differ=0)
    write_tables(Tables(make_predictions(films=60, patients=50), (), ASKED, found), tmp_path / "tables")
    result = run("--from-tables", tmp_path / "tables")
    assert result.exit_code == code
    assert ("do not agree" in (tmp_path / "evaluation.md").read_text().lower()) is bool(code)
    assert "Research use only" in result.stdout


def test_an_earlier_evaluations_tables_do_not_linger(make_predictions, tmp_path: Path) -> None:  # noqa: ANN001
    predictions = make_predictions(films=60, patients=50)
    found = Agreement(films=60, probabilities={"resnet18": 0}, votes_differ=0, majorities_differ=0)
    write_tables(Tables(predictions, (), ASKED, found), tmp_path)
    write_tables(Tables(predictions, (), ASKED), tmp_path)
    assert not (tmp_path / "agreement.json").exists()
