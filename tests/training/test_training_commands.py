"""The commands say what went wrong in one message, and what to do next."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
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


def test_a_bad_manifest_is_reported_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("file,group_id,labels\nx.png,g,\n")
    code, output = run("train", "--manifest", str(tmp_path / "m.csv"), "--out", str(tmp_path / "run"))
    assert code == 1
    assert "line 2: labels is empty" in output
    assert "line 2: file 'x.png' does not exist" in output
    assert not (tmp_path / "run").exists()


def test_help_does_not_load_torch() -> None:
    code = "import sys, radiolucent.training.commands; sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
