"""A folder is its owner's for as long as that very process lives, and a leftover afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from radiolucent.server import leftovers

PREFIX = "radiolucent-test-leftovers-"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return leftovers.owned_folder(PREFIX, 1000)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def owner(folder: Path, text: str | None = None) -> str:
    path = folder / "owner"
    if text is not None:
        path.write_text(text)
    return path.read_text()


def test_a_folder_is_for_its_user_alone_and_not_abandoned(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(leftovers.abandoned(PREFIX)) == []


def test_setting_the_clock_makes_no_living_owner_look_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    created = psutil.Process().create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: created + 3600)
    assert list(leftovers.abandoned(PREFIX)) == []


def test_what_an_owner_of_another_boot_left_is_abandoned(folder: Path) -> None:
    pid, birth = owner(folder).split()
    owner(folder, f"{pid} 00000000-0000-0000-0000-000000000000/{birth.partition('/')[2]}")
    assert list(leftovers.abandoned(PREFIX)) == [folder]


def test_a_process_that_got_the_number_of_the_owner_is_not_the_owner(
    folder: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    _, birth = owner(folder).split()
    owner(folder, f"{sleeper.pid} {birth}")
    assert list(leftovers.abandoned(PREFIX)) == [folder]
    owner(folder, f"{sleeper.pid} {leftovers._birth(sleeper.pid)}")
    assert list(leftovers.abandoned(PREFIX)) == []


def test_an_owner_that_was_killed_is_gone_whether_or_not_its_parent_noticed(
    folder: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    owner(folder, f"{sleeper.pid} {leftovers._birth(sleeper.pid)}")
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert list(leftovers.abandoned(PREFIX)) == [folder]
    sleeper.wait()
    assert list(leftovers.abandoned(PREFIX)) == [folder]


@pytest.mark.parametrize("text", ["", "12", "a word", "1 2 3"])
def test_a_folder_whose_owner_is_not_known_is_let_alone(folder: Path, text: str) -> None:
    owner(folder, text)
    assert list(leftovers.abandoned(PREFIX)) == []


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    owner(folder, f"{os.getpid()} another")
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert list(leftovers.abandoned(PREFIX)) == []


def test_where_there_is_no_boot_id_the_time_of_the_start_tells(
    folder: Path, sleeper: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "_BOOT", tmp_path / "none")
    owner(folder, f"{sleeper.pid} {leftovers._birth(sleeper.pid)}")
    assert float(leftovers._birth(sleeper.pid)) == psutil.Process(sleeper.pid).create_time()
    assert list(leftovers.abandoned(PREFIX)) == []
    sleeper.kill()
    sleeper.wait()
    assert list(leftovers.abandoned(PREFIX)) == [folder]
