"""The commands say what went wrong in one message, and what to do next."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from PIL import Image
from radiolucent.datasets import check_implications, make_labels
from radiolucent.training import commands
from typer.testing import CliRunner

APP = typer.Typer()
APP.command("train")(commands.train)
APP.command("export")(commands.export)
APP.command("import")(commands.import_network)
APP.command("phantoms")(commands.phantoms)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(APP, list(arguments))
    return result.exit_code, result.output


def test_phantoms_are_drawn_into_a_folder(tmp_path: Path) -> None:
    code, output = run("phantoms", "--out", str(tmp_path / "p"), "--count", "3", "--seed", "1")
    assert (code, (tmp_path / "p/manifest.csv").is_file()) == (0, True), output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--out", "x"), "either"),
        (("train", "--out", "x", "--preset", "nope"), "there is no preset"),
        (("train", "--out", "x", "--preset", "demo", "--weights", "w.pth"), "name it with --networks"),
        (("train", "--out", "x", "--preset", "demo", "--networks", "alexnet"), "unknown networks alexnet"),
        (("import", "--name", "a", "--labels", "b", "--size", "64"), "either"),
        (("export", "nowhere"), "nowhere holds no run"),
    ],
)
def test_a_mistake_is_named(arguments: tuple[str, ...], message: str) -> None:
    code, output = run(*arguments)
    assert code != 0
    assert message in " ".join(output.split())
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--labels", "A,A,B"), "labels named twice: A"),
        (("--labels", ","), "--labels names no label"),
        (("--labels", "A," + "B" * 101), "has 101 characters; 100 are the most"),
        (("--name", "we ird"), "the name 'we ird' will not do: letters, digits"),
        (("--name", "resnet18"), "resnet18 is a network of the ensemble"),
        (("--mean", "nan"), "--mean and --std must be finite"),
        (("--implies", "A=B", "--implies", "B=A"), "'A' implies itself: A -> B -> A"),
        (("--implies", "A=A"), "'A' implies itself: A -> A"),
        (("--implies", "Z=Z", "--implies", "A=B"), "'Z' implies itself"),
        (("--implies", "A=Z"), "A=Z: there is no label 'Z'; there are A, B"),
        (("--implies", "Z=A"), "Z=A: there is no label 'Z'; there are A, B"),
        (("--implies", "A=B", "--implies", "A=Z"), "--implies gives 'A' two parents"),
    ],
)
def test_a_mistake_in_an_import_is_one_line_before_any_work(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    usual = ("--name", "own", "--labels", "A,B", "--size", "64", "--torchscript", str(tmp_path / "absent.pt"))
    code, output = run("import", *usual, "--repository", str(tmp_path / "models"), *arguments)
    assert code == (1 if "resnet18" in message else 2), output
    assert message in " ".join(output.replace("│", " ").split())
    assert "Traceback" not in output
    assert not (tmp_path / "models").exists()


def test_a_hierarchy_may_lead_over_what_is_no_label(tmp_path: Path) -> None:
    labels = make_labels(("A", "B"), {"A": "Z", "Z": "B"})
    check_implications(("A", "B"), {"A": "Z", "Z": "B"})
    assert [label.implies for label in labels] == ["B", None]


def test_training_refuses_a_hierarchy_of_other_labels(tmp_path: Path) -> None:
    rows = [f"x{number}.png,g{number},A;B,{split}" for number, split in enumerate(("train", "val", "test"))]
    for number in range(3):
        Image.new("L", (8, 8), number).save(tmp_path / f"x{number}.png")
    (tmp_path / "m.csv").write_text("\n".join(["file,group_id,labels,split", *rows]))
    code, output = run(
        "train", "--manifest", str(tmp_path / "m.csv"), "--out", str(tmp_path / "run"), "--implies", "A=Z"
    )
    assert code == 2
    assert "A=Z: there is no label 'Z'; there are A, B" in output
    assert not (tmp_path / "run").exists()


def test_a_selection_that_leaves_a_split_empty_is_refused_before_any_work(tmp_path: Path) -> None:
    rows = [f"{n}.png,g{n},Pneumonia,{split},{split[:1]}" for n, split in enumerate(("train", "val", "test"))]
    for number in range(3):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number}.png")
    (tmp_path / "m.csv").write_text("\n".join(["file,group_id,labels,split,source", *rows]))
    code, output = run("train", "--manifest", str(tmp_path / "m.csv"), "--out", str(tmp_path / "run"), "--source", "t")
    assert code == 2
    assert "split val has no film" in output
    assert not (tmp_path / "run").exists()


def test_a_bad_manifest_is_reported_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("file,group_id,labels\nx.png,g,\n")
    code, output = run("train", "--manifest", str(tmp_path / "m.csv"), "--out", str(tmp_path / "run"))
    assert code == 2
    assert "line 2: labels is empty" in output
    assert "line 2: file 'x.png' does not exist" in output
    assert not (tmp_path / "run").exists()


def test_help_does_not_load_torch() -> None:
    code = "import sys, radiolucent.training.commands; sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
