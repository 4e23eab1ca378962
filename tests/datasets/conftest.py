"""Small data sets on disk, made as the test says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Picture = Callable[[str, int], Path]


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    """Return a function that writes a PNG of a seed: other seeds look other."""

    def write(name: str, seed: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(seed).integers(0, 256, (20, 24), dtype=np.uint8)
        Image.fromarray(coarse).resize((192, 160), Image.Resampling.BICUBIC).save(path)
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path, picture: Picture) -> Path:
    """Return a folder with images/0.png to images/39.png."""
    for index in range(40):
        picture(f"images/{index}.png", index)
    return tmp_path


@pytest.fixture
def manifest(folder: Path) -> Callable[..., Path]:
    """Return a function that writes manifest.csv."""

    def write(rows: list[str], header: str = "file,patient_id,group_id,labels,split,label_check") -> Path:
        path = folder / "manifest.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path

    return write
