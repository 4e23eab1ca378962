"""The command `radiolucent profile`, from a manifest and a run to tables and pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from radiolucent.datasets import DataSet, read_data_set
from radiolucent.evaluation.profiles.command import profile
from radiolucent.evaluation.profiles.sections import profile_sections
from radiolucent.evaluation.report.document import Figure, Table
from radiolucent.handlers.profile import load_planes, load_record, records
from typer.testing import CliRunner, Result


def run_it(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(profile)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def manifest(tmp_path: Path, data_set: DataSet) -> Path:
    path = tmp_path / "films" / "manifest.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "patient_id", "group_id", "labels", "split", "source"))
        for number, film in enumerate(data_set.films):
            labels = ";".join(name for name, present in film.known.items() if present)
            split = {34: "train", 35: "val"}.get(number, "test")
            writer.writerow((film.file, film.group, film.group, labels, split, film.source))
    return path


def test_a_run_is_profiled_into_tables_and_pictures(
    manifest: Path, write_run: Callable[..., Path], tmp_path: Path
) -> None:
    read = read_data_set(manifest, pixels=False)
    run = write_run(replace(read), read.checksum, ["left"])
    result = run_it("--manifest", manifest, "--run", run, "--groups", "label", "--name", "mine")
    assert result.exit_code == 0, result.stderr
    assert "Research use only. Not for diagnosis." in result.stdout
    out = run / "profile" / "mine"
    told = json.loads((out / "profile.json").read_text())
    assert [one["network"] for one in told["profiles"]] == ["left"]
    assert told["profiles"][0]["manifest_sha256"] == read.checksum
    text = (out / "profile.md").read_text()
    assert "Pneumonia without COVID-19" in text
    assert text.count("Research use only. Not for diagnosis.") == 2
    pictures = {path.name for path in (out / "figures" / "left").iterdir()}
    assert {"00-input.svg", "00-input.png", "01-relu.svg", "clusters.svg"} <= pictures
    for path in (out / "figures").rglob("*.svg"):
        assert "Research use only" in path.read_text(), path.name
    folder = out / "profiles"
    assert records(folder) == [("mine", "left")]
    sections = profile_sections(
        (record, load_planes(folder, record)) for record in (load_record(folder, *one) for one in records(folder))
    )
    assert len(sections) == 2
    figures = [item for section in sections for item in section.items if isinstance(item, Figure)]
    assert len(figures) == 1 + 4
    assert max(len(figure.svg) for figure in figures) < 250_000, "a report of many stays light"
    assert figures[1].svg.count("<image") >= 4
    tables = {item.title for item in sections[0].items if isinstance(item, Table)}
    assert tables == {"Groups", "Dead feature maps", "Layers", "How alike groups are"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--repository or --run"),
        (("--run", "{run}", "--set", "1"), "a run has none"),
        (("--run", "{run}", "--store"), "name --repository"),
        (("--run", "{run}", "--networks", "alexnet"), "there is no network alexnet; there are left"),
        (("--run", "{run}", "--sources", "C"), "there is no source C"),
        (("--run", "{run}", "--split", "val"), "fewer than two groups"),
        (("--run", "{run}", "--layers", "relu_to"), "auto"),
    ],
)
def test_what_cannot_be_done_is_bad_input(
    arguments: tuple[str, ...], says: str, manifest: Path, write_run: Callable[..., Path], tmp_path: Path
) -> None:
    read = read_data_set(manifest, pixels=False)
    run = write_run(read, read.checksum, ["left"])
    given = [one.format(run=run) for one in arguments]
    result = run_it("--manifest", manifest, *given, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert says in result.stderr.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_all_that_is_wrong_is_said_at_once_and_networks_that_are_not_asked_for_are_not_loaded(
    manifest: Path, write_run: Callable[..., Path], tmp_path: Path
) -> None:
    read = read_data_set(manifest, pixels=False)
    run = write_run(read, read.checksum, ["left", "right"])
    (run / "right" / "model.pt").unlink()
    wrong = (
        "--networks",
        "alexnet",
        "--groups",
        "kind",
        "--split",
        "some",
        "--layers",
        "none",
        "--align",
        "up",
        "--store",
    )
    result = run_it("--manifest", manifest, "--run", run, "--networks", "left", *wrong)
    assert result.exit_code == 2
    for words in ("network alexnet", "'kind'", "'some'", "the layer none", "'up'", "--store"):
        assert words in result.stderr
    sound = ("--networks", "left", "--layers", "relu", "--out", tmp_path / "out")
    assert run_it("--manifest", manifest, "--run", run, *sound).exit_code == 0
    sound = ("--networks", "left", "--layers", "input", "--out", tmp_path / "out")
    assert run_it("--manifest", manifest, "--run", run, *sound).exit_code == 0
    left = {path.name for path in (tmp_path / "out" / "figures" / "left").glob("*.png")}
    assert left == {"00-input.png", "clusters.png"}, "none of an earlier run"


def test_the_layers_of_a_network_are_listed(manifest: Path, write_run: Callable[..., Path]) -> None:
    read = read_data_set(manifest, pixels=False)
    run = write_run(read, read.checksum, ["left"])
    result = run_it("--manifest", manifest, "--run", run, "--list-layers")
    assert "left relu_two 6 x 4 x 4 (auto)" in result.stdout
    assert "left relu_one 6 x 4 x 4\n" in result.stdout
