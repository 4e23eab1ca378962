"""Networks of a few maps, films of a few pixels."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from radiolucent.datasets import DataSet, Film
from radiolucent.evaluation.networks import Network
from radiolucent.evaluation.profiles.subjects import Subject, Subjects
from radiolucent.evaluation.tables import Decision
from radiolucent.handlers import InputSpec, Label
from torch import nn

SIZE = 32
LABELS = (Label(name="COVID-19", implies="Pneumonia"), Label(name="Pneumonia"), Label(name="No Finding"))


class Residual(nn.Module):
    """A stem and a residual block. Map 0 of the stem is dead; map 1 says 1 everywhere."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.stem, self.relu = nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.one, self.two = nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.norm, self.relu_one, self.relu_two = nn.BatchNorm2d(6), nn.ReLU(), nn.ReLU()
        self.down = nn.Conv2d(4, 6, 1, stride=2)
        self.fc = nn.Linear(6, len(LABELS))
        with torch.no_grad():
            self.stem.weight[:2], self.stem.bias[0], self.stem.bias[1] = 0, -1, 1  # type: ignore[index]
            # Map 0 of `one` looks at the constant map alone, and sees the zeros beside the border.
            self.one.weight[0], self.one.weight[0, 1], self.one.bias[0] = 0, 1, 0  # type: ignore[index]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.pool(self.relu(self.stem(images)))
        inner = self.norm(self.two(self.relu_one(self.one(found))))
        return self.fc(self.relu_two(inner + self.down(found)).mean((2, 3)))


@pytest.fixture
def residual() -> Callable[[int], nn.Module]:
    return Residual


@pytest.fixture
def trace() -> Callable[..., torch.jit.ScriptModule]:
    def traced(network: nn.Module, size: int = SIZE) -> torch.jit.ScriptModule:
        with torch.no_grad():
            return torch.jit.trace(network.eval(), torch.rand(2, 1, size, size))

    return traced


@pytest.fixture
def data_set(tmp_path: Path) -> DataSet:
    """37 test films; three patients have several. Every third is COVID-19, every third other pneumonia."""
    rng, films = np.random.default_rng(0), []
    (tmp_path / "films").mkdir()
    for number in range(37):
        kind = number % 3
        path = tmp_path / "films" / f"{number}.png"
        height = 20 if kind == 0 else 32  # padded above and below
        Image.fromarray(rng.integers(20, 255, (height, 32)).astype(np.uint8)).save(path)
        known = {"COVID-19": kind == 0, "Pneumonia": kind < 2, "No Finding": kind == 2}
        group = f"g{kind}" if number < 12 else f"p{number}"
        source = ("A/one", "A/two", "B")[kind]
        films.append(Film(path, path.name, 0, known, group, group, "test", source, view=("PA", "AP", "")[kind]))
    return DataSet(tmp_path / "films.csv", "made up", "a" * 64, LABELS, tuple(films))


@pytest.fixture
def make_subjects(data_set: DataSet, trace: Callable[..., torch.jit.ScriptModule]) -> Callable[..., Subjects]:
    def make(networks: Mapping[str, nn.Module], decision: Decision | None = None) -> Subjects:
        decided = decision or Decision(thresholds=(0.5, 0.5, 0.5))
        made = (
            Subject(
                Network(
                    name,
                    InputSpec(size=SIZE),
                    module if isinstance(module, torch.jit.ScriptModule) else trace(module),
                ),
                decided,
                0,
                "b" * 64,
            )
            for name, module in networks.items()
        )
        return Subjects(tuple(made), LABELS, data_set)

    return make


@pytest.fixture
def write_run(tmp_path: Path, trace: Callable[..., torch.jit.ScriptModule]) -> Callable[..., tuple[Path, Path]]:
    """Write a run as `radiolucent train` leaves it, and the manifest that it was trained on."""

    def write(data_set: DataSet, checksum: str, networks: Sequence[str]) -> Path:
        run = tmp_path / "run"
        run.mkdir()
        limits = [{"value": 0.5}] * len(LABELS)
        labels = [{"name": label.name, "implies": label.implies} for label in LABELS]
        settings = {
            "data": {"name": "films", "checksum": checksum},
            "labels": labels,
            "networks": {name: {"size": SIZE} for name in networks},
        }
        (run / "settings.json").write_text(json.dumps(settings))
        (run / "run.json").write_text(json.dumps({"mean_thresholds": limits}))
        with (run / "splits.csv").open("w", newline="") as file:
            rows = ((film.file, film.group, film.split) for film in data_set.films)
            csv.writer(file).writerows([("file", "group", "split"), *rows])
        for number, name in enumerate(networks):
            (run / name).mkdir()
            torch.jit.save(trace(Residual(number)), str(run / name / "model.pt"))
            checksum = hashlib.sha256((run / name / "model.pt").read_bytes()).hexdigest()
            result = {"thresholds": limits, "calibration": None, "model": checksum}
            (run / name / "result.json").write_text(json.dumps(result))
        return run

    return write  # type: ignore[return-value]
