"""The set that served last survives a restart, and its file survives rubbish."""

from __future__ import annotations

from pathlib import Path

import pytest
from radiolucent.server.triton.last_good import LastGood, read_last_good, write_last_good


def test_what_is_written_is_read(tmp_path: Path) -> None:
    newest = LastGood(set_version=12, members={"resnet18": 4})
    write_last_good(tmp_path / "state.json", LastGood(set_version=3))
    write_last_good(tmp_path / "state.json", newest)
    assert read_last_good(tmp_path / "state.json") == newest
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"set_version": 0}', '{"set_version": "x"}', "\x00"])
def test_rubbish_is_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)
    assert read_last_good(tmp_path / "state.json") == LastGood()


def test_a_missing_file_is_nothing(tmp_path: Path) -> None:
    assert read_last_good(tmp_path / "state.json") == LastGood()


def test_a_folder_that_cannot_be_written_to_is_only_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_last_good(tmp_path / "missing" / "state.json", LastGood(set_version=1))
    assert "cannot remember" in caplog.text
