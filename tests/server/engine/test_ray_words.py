"""What Ray has to say goes to the log, not between the lines of a terminal or of a JSON log."""

from __future__ import annotations

import logging

import pytest
from radiolucent.server.engine import ray_runtime


def test_ray_prints_nothing_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from ray._private import worker

    monkeypatch.setattr(worker, "print_to_stdstream", worker.print_to_stdstream)  # is put back afterwards
    ray_runtime._take_words_from_terminal()
    printer = worker.listen_error_messages.__globals__["print_to_stdstream"]
    assert "print_to_stdstream" in worker.listen_error_messages.__code__.co_names, "what Ray calls has another name now"
    with caplog.at_level(logging.DEBUG, logger=ray_runtime.__name__):
        printer({"lines": ["A worker died\n or was killed"], "pid": "raylet", "is_err": False}, ignore_prefix=False)
    assert capfd.readouterr() == ("", "")
    assert [record.getMessage() for record in caplog.records] == ["Ray says: A worker died or was killed"]
    assert caplog.records[0].levelno == logging.DEBUG
