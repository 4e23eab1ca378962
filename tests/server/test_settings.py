from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from radiolucent.handlers.limits import MAX_PIXELS
from radiolucent.server import settings as settings_module
from radiolucent.server.gateway import Gateway
from radiolucent.server.settings import Settings, load_settings
from radiolucent.server.triton.client import MESSAGE_BYTES


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("RADIOLUCENT_"):
            monkeypatch.delenv(name)


def test_the_defaults_are_for_this_machine_alone() -> None:
    settings = Settings()
    assert settings.host == "127.0.0.1"
    assert settings.triton is None
    assert settings.max_upload_bytes == 32 * 2**20
    assert settings.worker_count >= 1
    assert settings.threads_per_worker >= 1


def test_arguments_win_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "radiolucent.toml"
    config.write_text('port = 1\nmax_jobs = 2\nheartbeat_seconds = 3.0\nrepository = "elsewhere"\n')
    monkeypatch.setenv("RADIOLUCENT_PORT", "4")
    monkeypatch.setenv("RADIOLUCENT_MAX_JOBS", "5")
    settings = load_settings(config, port=6, host=None)
    assert (settings.port, settings.max_jobs, settings.heartbeat_seconds) == (6, 5, 3.0)
    assert settings.repository == Path("elsewhere")
    assert type(settings) is Settings


def test_no_limit_can_be_set_that_triton_does_not_keep() -> None:
    assert Settings(max_upload_bytes=40 * 2**20).max_upload_bytes + 2**20 < MESSAGE_BYTES
    assert Settings(max_image_pixels=MAX_PIXELS).max_image_pixels == MAX_PIXELS
    for limits in ({"max_upload_bytes": 40 * 2**20 + 1}, {"max_image_pixels": MAX_PIXELS + 1}):
        with pytest.raises(ValidationError):
            Settings(**limits)


def test_the_workers_keep_the_limit_of_pixels_too() -> None:
    assert Gateway(Settings(max_image_pixels=1234)).pool._settings.max_pixels == 1234


@pytest.mark.parametrize("text", ["prot = 1", "port = 70000", "max_upload_bytes = 0", 'triton = "http://x:1"'])
def test_wrong_settings_are_refused(tmp_path: Path, text: str) -> None:
    config = tmp_path / "radiolucent.toml"
    config.write_text(text)
    with pytest.raises(ValidationError):
        load_settings(config)


def test_a_file_that_is_not_there_or_not_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_settings(tmp_path / "missing.toml")
    (tmp_path / "broken.toml").write_text("port: 1")
    with pytest.raises(ValueError, match="Expected '='"):
        load_settings(tmp_path / "broken.toml")


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_networks_that_a_worker_keeps_can_be_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADIOLUCENT_WARM_BYTES", "1000")
    assert Gateway(load_settings(None)).pool._settings.warm_bytes == 1000


def test_workers_together_may_not_take_all_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_module, "memory_bytes", lambda: 40 * 2**30)
    settings = load_settings(None, workers=4)
    assert settings.memory_per_worker == 8 * 2**30
    assert settings.recycle_memory == 6 * 2**30
    assert settings.warm_memory == 8 * 2**30 // 3, "five networks in both precisions, and room for what runs"
    small = load_settings(None, workers=4, worker_memory_bytes=2**31)
    assert small.memory_per_worker == 2**31
    assert small.warm_memory == 5 * 2**28, "five networks in float32, which take 1.09e9 bytes"
