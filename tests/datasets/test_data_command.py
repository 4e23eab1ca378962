"""`radiolucent data` shows what is in a data set, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer
from radiolucent.datasets import read_data_set
from radiolucent.datasets.commands import data
from typer.testing import CliRunner

APP = typer.Typer()
APP.command("data")(data)
HEADER = "file,group_id,labels,source"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(APP, list(arguments))
    return result.exit_code, " ".join(result.output.split())


def test_counts_sources_and_warnings_are_shown_and_the_split_is_kept(
    tmp_path: Path, manifest: Callable[..., Path]
) -> None:
    rows = [
        f"images/{i}.png,g{i // 2},{'COVID-19' if i % 4 < 2 else 'Pneumonia'},{'ab'[i % 4 // 2]}" for i in range(40)
    ]
    path, split = manifest(rows, HEADER), tmp_path / "split.csv"
    code, output = run(str(path), "--seed", "5", "--split-out", str(split))
    assert code == 0, output
    assert "40 X-rays of 20 groups" in output
    assert "COVID-19: 100% of its films come from a and the source alone tells it with F1 1.00" in output
    assert "Research use only. Not for diagnosis." in output
    made = {film.file: film.split for film in read_data_set(path, seed=5).films}
    assert {film.file: film.split for film in read_data_set(path, split=split, seed=9).films} == made


def test_all_problems_are_shown_and_nothing_is_written(tmp_path: Path, manifest: Callable[..., Path]) -> None:
    rows = [f"images/no{i}.png,g{i},Pneumonia,a" for i in range(40)]
    code, output = run(str(manifest(rows, HEADER)), "--split-out", str(tmp_path / "split.csv"))
    assert code == 2
    assert "40 problems" in output
    assert "line 41: file 'images/no39.png' does not exist" in output
    assert not (tmp_path / "split.csv").exists()


def test_a_stored_split_that_does_not_fit_is_a_problem(tmp_path: Path, manifest: Callable[..., Path]) -> None:
    path = manifest([f"images/{i}.png,g{i // 2},Pneumonia,a" for i in range(6)], HEADER)
    (tmp_path / "split.csv").write_text(
        "file,split\n" + "".join(f"images/{i}.png,{('train', 'val', 'dev')[i % 3]}\n" for i in range(5))
    )
    code, output = run(str(path), "--split", str(tmp_path / "split.csv"), "--headers-only")
    assert code == 2
    assert "line 7: file 'images/5.png' is not in split.csv" in output
    assert "split.csv: split 'dev' is not one of train, val, test" in output
    assert "line 3: group 'g0' is in 'val', but in 'train' on line 2" in output


def test_an_unknown_kind_is_named() -> None:
    code, output = run(".", "--kind", "nope")
    assert code == 2
    assert "there is no kind 'nope'" in output
