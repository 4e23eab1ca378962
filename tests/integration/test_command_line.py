"""The program as a user runs it, with the real server."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
import uuid
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

PROGRAM = [sys.executable, "-m", "radiolucent.client.program"]
METHODS = ("saliency", "integrated_gradients", "occlusion")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RADIOLUCENT_")}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1", **more}


def radiolucent(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
        env=environment(),
    )


@pytest.fixture
def xray(png, tmp_path) -> Path:
    path = tmp_path / "xray.png"
    path.write_bytes(png)
    return path


def test_explain_writes_exactly_the_files_that_are_documented(gateway, xray, tmp_path) -> None:
    out = tmp_path / "out"
    methods = [*METHODS, "deep_lift", "guided_backprop", "lrp"]
    chosen = [word for method in methods for word in ("--method", method)]
    ran = radiolucent(
        "explain", xray, *chosen, "--model", "all", "--target", "No Finding", "--target", "Viral Pneumonia",
        "--set", "integrated_gradients.steps=4", "--set", "occlusion.window=32", "--set", "occlusion.stride=32",
        "--out", out, "--address", gateway.address,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    listed = json.loads(radiolucent("methods", "--json", "--address", gateway.address).stdout)
    assert {method["name"] for method in listed} >= set(methods)
    expected = {"result.json"}
    for model in ("resnet18", "resnet34"):
        expected.add(f"{model}/input.npz")
        for label in ("No_Finding", "Viral_Pneumonia"):
            expected |= {f"{model}/{label}/{method}.{suffix}" for method in methods for suffix in ("npz", "png")}
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == expected
    for path in out.rglob("*.npz"):
        with np.load(path) as arrays:
            if path.name == "input.npz":
                assert {name: arrays[name].shape for name in arrays} == {"input": (1, 64, 64)}
            else:
                shapes = {name: arrays[name].shape for name in arrays}
                assert shapes == {"attribution": (1, 64, 64), "heatmap": (64, 64)}
            assert all(arrays[name].dtype == np.float32 for name in arrays)
    for path in out.rglob("*.png"):
        with Image.open(path) as picture:
            picture.verify()
    result = json.loads((out / "result.json").read_text())
    assert result["state"] == "done"
    assert result["intended_use"] == "Research use only. Not for diagnosis."
    assert len(result["heatmaps"]) == 4 * len(methods)
    assert result["failures"] == []
    occlusion = next(one for one in result["heatmaps"] if one["method"] == "occlusion")
    assert occlusion["parameters"]["window"] == 32


def test_batch_scores_a_folder_and_lists_what_cannot_be_read(gateway, xray, tmp_path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    for number in range(5):
        (study / f"{number}.png").write_bytes(xray.read_bytes())
    (study / "letter.png").write_text("Dear colleague")
    ran = radiolucent("batch", study, "--out", tmp_path / "scores.csv", "--address", gateway.address)
    assert ran.returncode == 4
    assert "letter.png" in ran.stderr
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 11
    assert {row["model"] for row in rows} == {"resnet18", "resnet34", ""}


def test_bad_input_ends_with_2_and_an_unreachable_server_with_3(gateway, tmp_path) -> None:
    letter = tmp_path / "letter.png"
    letter.write_text("Dear colleague")
    assert radiolucent("classify", letter, "--address", gateway.address).returncode == 2
    assert radiolucent("classify", letter, "--address", "127.0.0.1:1").returncode == 3


def _left_behind(mark: str) -> list[list[str]]:
    """Wait for the processes of a run, which have its mark in their environment; return those that stay."""
    deadline = time.monotonic() + 60
    while True:
        left = [process.cmdline() for process in psutil.process_iter() if _has_mark(process, mark)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)


def _has_mark(process: psutil.Process, mark: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get("TEST_MARK") == mark
    except psutil.Error:
        return False


@pytest.mark.timeout(300)
def test_ctrl_c_stops_the_server_that_was_started(model_repository, xray, tmp_path) -> None:
    mark = uuid.uuid4().hex
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*PROGRAM, "explain", str(xray), "--method", "occlusion", "--set", "occlusion.window=3", "--set",
         "occlusion.stride=1", "--out", str(out), "--repository", str(model_repository)],
        stderr=subprocess.PIPE, text=True, env=environment(TEST_MARK=mark),
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("explaining"):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads((out / "result.json").read_text())["state"] == "interrupted"
    assert _left_behind(mark) == []


@pytest.mark.timeout(300)
def test_a_server_ends_with_the_command_that_started_it_though_that_was_killed(
    model_repository, xray, tmp_path
) -> None:
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [*PROGRAM, "explain", str(xray), "--method", "occlusion", "--set", "occlusion.window=3", "--set",
         "occlusion.stride=1", "--repository", str(model_repository)],
        stderr=subprocess.PIPE, text=True, env=environment(TEST_MARK=mark, TMPDIR=str(tmp_path)),
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("explaining"):
            break
    assert list(tmp_path.glob("radiolucent-*"))
    process.kill()
    process.communicate(timeout=60)
    assert _left_behind(mark) == []
    assert not list(tmp_path.glob("radiolucent-*"))


@pytest.mark.timeout(300)
def test_a_server_is_started_and_stopped_again_and_modules_in_the_folder_of_the_command_are_left_alone(
    model_repository, xray, tmp_path
) -> None:
    """Triton's Python, Ray's workers and GDCM would all look there first."""
    mark = uuid.uuid4().hex
    touched = tmp_path / "touched"
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("dl", "gdcm", "numpy", "torch", "pydantic", "captum", "tritonclient", "pickle5", "sitecustomize"):
        (folder / f"{name}.py").write_text(f"open({str(touched)!r}, 'a').write('{name} ')\nraise SystemExit(3)\n")
    ran = subprocess.run(
        [Path(sysconfig.get_path("scripts"), "radiolucent"), "explain", xray, "--method", "saliency", "--json",
         "--repository", model_repository],
        cwd=folder, capture_output=True, text=True, env=environment(TEST_MARK=mark), timeout=280,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert result["state"] == "done"
    assert {one["model"]["name"] for one in result["heatmaps"]} == {"resnet18", "resnet34"}
    assert not touched.exists(), touched.read_text()
    assert _left_behind(mark) == []
