"""The code of docs/plugins.md does what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch
from radiolucent.handlers import XRay
from radiolucent.plugins import API_VERSION, checked_mask, load_registry

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
SEGMENTER = PAGE.partition("## Bring a segmenter of the lungs")[2].split("```python\n")[1].partition("```")[0]
FILES = dict(re.findall(r"`([\w./]+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    assert set(FILES) == {"radiolucent_mirror.py", "look.py", "tests/test_mirror.py", "pyproject.toml"}
    (tmp_path / "tests").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        env=environment,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_method_of_the_page_keeps_the_contract(package: Path) -> None:
    assert "30 passed" in run(package, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_the_script_of_the_page_shows_progress_and_a_map(package: Path) -> None:
    printed = run(package, "look.py")
    assert "17 of 17" in printed
    assert "torch.Size([64, 64])" in printed


def test_the_page_is_of_this_version_of_the_contract() -> None:
    assert f"RADIOLUCENT_API_VERSION = {API_VERSION}\n" in FILES["radiolucent_mirror.py"]


def test_the_segmenter_is_registered_and_gives_a_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = torch.jit.trace(torch.nn.Conv2d(1, 1, 1), torch.rand(1, 1, 256, 256))
    with torch.no_grad():
        network.weight.fill_(20.0)
        network.bias.fill_(-10.0)
    network.save(str(tmp_path / "lungs.pt"))
    monkeypatch.setenv("LUNG_WEIGHTS", str(tmp_path / "lungs.pt"))
    (tmp_path / "radiolucent_unet_lungs.py").write_text(SEGMENTER)
    monkeypatch.syspath_prepend(tmp_path)
    registry = load_registry([EntryPoint("lungs", "radiolucent_unet_lungs", "radiolucent.plugins")])
    assert registry.broken == ()
    pixels = np.zeros((300, 280), np.float32)
    pixels[:, 140:] = 1.0
    mask = checked_mask(registry.segmenters["unet_lungs"], XRay(pixels, "png"))
    assert (mask[:, 150:] == 255).all()
    assert not mask[:, :130].any()
