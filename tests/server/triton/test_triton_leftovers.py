"""Folders that a killed Triton leaves are removed, but none that may be another's."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from radiolucent.server.triton import warden


def folder(parent: Path, name: str, made: float) -> Path:
    path = parent / f"python_env_{name}"
    path.mkdir()
    os.utime(path, (made, made))
    return path


def test_only_empty_folders_made_by_then_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = folder(tmp_path, "ours", 1010.0)
    older = folder(tmp_path, "older", 990.0)
    later = folder(tmp_path, "later", 1030.0)
    (folder(tmp_path, "full", 1010.0) / "bin").mkdir()
    os.utime(tmp_path / "python_env_full", (1010.0, 1010.0))
    (tmp_path / "python_envelope").mkdir()
    (tmp_path / "python_env_link").symlink_to(older)
    monkeypatch.setattr(warden, "_starts_of_tritons", lambda: iter([1020.0, 5000.0]))
    warden._remove_environments(1000.0, tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {older.name, later.name, "python_env_full", "python_envelope", "python_env_link"}
    assert not ours.exists()


def test_a_triton_that_was_there_before_keeps_all_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = folder(tmp_path, "whose", 1010.0)
    monkeypatch.setattr(warden, "_starts_of_tritons", lambda: iter([500.0]))
    warden._remove_environments(1000.0, tmp_path)
    assert made.exists()


@pytest.mark.parametrize("name", ["tritonserver", "triton_python_backend_stub"])
def test_a_running_triton_is_found_with_the_time_of_its_start(tmp_path: Path, name: str) -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    program = tmp_path / name
    shutil.copy(sleep, program)
    before = time.time()
    with subprocess.Popen([program, "60"]) as process:
        try:
            time.sleep(0.1)
            state = warden._state(Path(f"/proc/{process.pid}"))
            starts = list(warden._starts_of_tritons())
        finally:
            process.kill()
    assert state[0] == name[:15]
    assert state[1] == str(os.getpid())
    assert math.isclose(state[2], before, abs_tol=warden.START_SECONDS)
    # A stub stands for the server that started it, which here is this test.
    expected = state[2] if name == "tritonserver" else warden._state(Path("/proc/self"))[2]
    assert any(math.isclose(start, expected, abs_tol=0.1) for start in starts)
