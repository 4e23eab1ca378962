"""Copies of a film in another size, compression or contrast are found; other films are not, however many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from radiolucent.datasets.files import THUMBNAIL, look_at_files
from radiolucent.datasets.look_alikes import find_look_alikes


def pairs(folder: Path) -> list[tuple[str, str]]:
    files = sorted(folder.iterdir())
    looks = look_at_files(files)
    found = find_look_alikes(np.stack([look.hash for look in looks]), [look.thumbnail for look in looks])  # type: ignore[misc]
    return [(files[pair.first].name, files[pair.second].name) for pair in found]


@pytest.mark.parametrize("change", ["smaller", "compressed", "contrast", "same"])
def test_a_copy_is_found(folder: Path, change: str) -> None:
    with Image.open(folder / "images/7.png") as image:
        made = {
            "smaller": lambda: image.resize((96, 80)),
            "compressed": lambda: image,
            "contrast": lambda: ImageOps.autocontrast(image, cutoff=2),
            "same": lambda: image,
        }[change]()
        made.save(folder / ("images/copy.jpg" if change == "compressed" else "images/copy.png"), quality=40)
    assert [(one, two.partition(".")[0]) for one, two in pairs(folder / "images")] == [("7.png", "copy")]


def test_other_films_are_not_look_alikes(folder: Path) -> None:
    assert pairs(folder / "images") == []


def test_a_hash_alone_does_not_make_a_look_alike() -> None:
    rng = np.random.default_rng(0)
    hashes = np.zeros((2, 32), dtype=np.uint8)
    thumbnails = list(rng.integers(0, 256, (2, THUMBNAIL, THUMBNAIL), dtype=np.uint8))
    assert find_look_alikes(hashes, thumbnails) == []
    assert len(find_look_alikes(hashes, [thumbnails[0]] * 2)) == 1
    black = np.zeros_like(thumbnails[0])
    assert len(find_look_alikes(hashes, [black, black])) == 1
    assert find_look_alikes(hashes, [black, thumbnails[0]]) == []


def test_one_pair_among_many_is_found() -> None:
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 256, (20_000, 32), dtype=np.uint8)
    hashes[12_345] = hashes[77]
    hashes[12_345, :15] ^= 1  # one bit in each of 15 bytes: the guarantee
    thumbnail = rng.integers(0, 256, (8, 8), dtype=np.uint8)
    found = find_look_alikes(hashes, [thumbnail] * len(hashes))
    assert [(pair.first, pair.second, pair.distance) for pair in found] == [(77, 12_345, 15)]
