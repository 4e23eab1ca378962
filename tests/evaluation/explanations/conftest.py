"""A manifest of made-up films with boxes and masks."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from radiolucent.datasets import Film

MakeFilms = Callable[[Sequence[Mapping[str, str]]], tuple[Path, list[Film]]]


@pytest.fixture
def make_films(tmp_path: Path) -> MakeFilms:
    """Write films of 80 x 60 pixels, and a manifest of rows whose cells are given; ``labels`` default to Pneumonia."""

    def make(rows: Sequence[Mapping[str, str]]) -> tuple[Path, list[Film]]:
        films, table = [], []
        for number, cells in enumerate(rows):
            name = f"{number}.png"
            Image.fromarray(np.full((60, 80), 90, np.uint8)).save(tmp_path / name)
            labels = cells.get("labels", "Pneumonia").split(";")
            known = {label: label in labels for label in ("Pneumonia", "COVID-19", "No Finding")}
            films.append(
                Film(tmp_path / name, name, number + 2, known, f"g{number}", source=cells.get("source", "A/b"))
            )
            table.append({"file": name, **cells})
        columns = list(dict.fromkeys(column for row in table for column in row))
        with (tmp_path / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(table)
        return tmp_path / "manifest.csv", films

    return make
