"""From runs on disk to predictions; networks are small enough to be written by each test."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from radiolucent.datasets import DataSet, Film, Split
from radiolucent.evaluation.comparisons import Comparison
from radiolucent.evaluation.errors import EvaluationError, FilmsUnreadable
from radiolucent.evaluation.measuring import Networks, measure_tables
from radiolucent.evaluation.networks import run_networks
from radiolucent.evaluation.penultimate import with_features
from radiolucent.evaluation.predicting import TESTED, predict
from radiolucent.evaluation.progress import Progress, silent
from radiolucent.evaluation.shortcuts.audit import audit
from radiolucent.evaluation.shortcuts.audit_storing import read_audit, write_audit
from radiolucent.evaluation.shortcuts.hidden_centre import hide_centre
from radiolucent.evaluation.shortcuts.measuring import measure
from radiolucent.evaluation.statistics import resampling_of
from radiolucent.evaluation.tables import Predictions
from radiolucent.evaluation.trained import read_run
from radiolucent.evaluation.trainings import trainings_of_runs
from radiolucent.handlers import InputSpec, Label, decode, preprocess
from radiolucent.handlers.lifting import NotLiftable
from rich.console import Console
from torch import nn

SIZE = 32
LABELS = ("Pneumonia", "No Finding")


class Net(nn.Module):
    """A convolution, and a linear layer on what it says on average."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv, self.fc = nn.Conv2d(1, 6, 5, stride=2), nn.Linear(6, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.conv(images)).mean(dim=(2, 3)))


def trace(network: nn.Module) -> torch.jit.ScriptModule:
    with torch.no_grad():
        return torch.jit.trace(network.eval(), torch.rand(2, 1, SIZE, SIZE))


@pytest.fixture
def data_set(tmp_path: Path) -> DataSet:
    """Forty films of two sources: those of B are bright."""
    rng, films = np.random.default_rng(0), []
    for number in range(40):
        source = "A" if number % 4 < 2 else "B"
        pixels = rng.integers(0, 120, (40, 30 + number % 3)) + (100 if source == "B" else 0)
        path = tmp_path / "films" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        known = {"Pneumonia": number % 2 == 1, "No Finding": number % 2 == 0}
        split = ("train", "train", "val", "test")[number // 10]
        films.append(Film(path, path.name, 0, known, f"g{number}", split=split, source=source))  # type: ignore[arg-type]
    labels = tuple(Label(name=name) for name in LABELS)
    return DataSet(tmp_path / "manifest.csv", "made up", "a" * 64, labels, tuple(films))


def write_run(folder: Path, data_set: DataSet, networks: Sequence[nn.Module], films: Sequence[Film] = ()) -> Path:
    """As `radiolucent train` leaves it, as far as an evaluation looks."""
    folder.mkdir(parents=True)
    names = [f"net{i}" for i in range(len(networks))]
    limits = [{"value": 0.4, "chosen": "on validation"}, {"value": 0.6, "chosen": "on validation"}]
    settings = {
        "data": {"name": data_set.name, "checksum": data_set.checksum},
        "labels": [{"name": name} for name in LABELS],
        "networks": {name: {"size": SIZE, "batch": 16} for name in names},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "run.json").write_text(json.dumps({"mean_thresholds": limits, "versions": {"torch": "2"}}))
    with (folder / "splits.csv").open("w", newline="") as file:
        rows = ((film.file, film.group, film.split) for film in films or data_set.films)
        csv.writer(file).writerows([("file", "group", "split"), *rows])
    for name, network in zip(names, networks, strict=True):
        (folder / name).mkdir()
        torch.jit.save(trace(network), str(folder / name / "model.pt"))
        calibration = {"method": "platt", "scale": [2.0, 1.0], "offset": [0.5, 0.0]}
        checksum = hashlib.sha256((folder / name / "model.pt").read_bytes()).hexdigest()
        result = {"thresholds": limits, "calibration": calibration, "model": checksum}
        (folder / name / "result.json").write_text(json.dumps(result))
    return folder


def of_runs(
    runs: Sequence[Path], data_set: DataSet, splits: Sequence[Split] = TESTED, progress: Progress = silent
) -> Predictions:
    return predict(trainings_of_runs(runs, data_set), data_set, splits, progress)


def test_a_run_answers_as_its_networks_do(tmp_path: Path, data_set: DataSet) -> None:
    networks = [Net(1), Net(2)]
    run = write_run(tmp_path / "run", data_set, networks)
    seen: list[tuple[str, int, int]] = []
    found = of_runs([run], data_set, ("val", "test"), progress=lambda *told: seen.append(told))
    assert [film.file for film in found.films] == [f"{n}.png" for n in range(20, 40)]
    assert set(found.folds) == {"split"}
    for name, network in zip(("net0", "net1"), networks, strict=True):
        tensors = [preprocess(decode(f.path.read_bytes()), InputSpec(size=SIZE)).tensor for f in found.films]
        with torch.no_grad():
            expected = network(torch.from_numpy(np.stack(tensors))).numpy()
        np.testing.assert_allclose(found.logits[name], expected, atol=1e-6)
        np.testing.assert_allclose(
            found.probabilities(name)[:, 0], 1 / (1 + np.exp(-(2 * expected[:, 0] + 0.5))), atol=1e-6
        )
    assert found.head.decisions["split"]["net0"].thresholds == (0.4, 0.6)
    assert found.head.mean_thresholds == {"split": (0.4, 0.6)}
    assert found.head.train_films == {"split": 20}
    assert seen[-1] == ("networks", 20, 20)


def test_folds_are_answered_by_their_own_networks_with_their_own_splits(tmp_path: Path, data_set: DataSet) -> None:
    turned = [replace(f, split={"train": "test", "test": "train"}.get(f.split or "", f.split)) for f in data_set.films]
    write_run(tmp_path / "runs" / "fold-1", data_set, [Net(1)])
    write_run(tmp_path / "runs" / "fold-2", data_set, [Net(2)], turned)  # type: ignore[arg-type]
    found = of_runs([tmp_path / "runs"], data_set)
    assert found.folds == ("fold-1",) * 10 + ("fold-2",) * 20
    assert {film.split for film in found.films} == {"test"}
    assert found.head.train_films == {"fold-1": 20, "fold-2": 10}
    alone = of_runs([tmp_path / "runs" / "fold-2"], data_set)
    np.testing.assert_array_equal(found.logits["net0"][10:], alone.logits["net0"])


def test_what_does_not_belong_together_is_refused(tmp_path: Path, data_set: DataSet) -> None:
    run = write_run(tmp_path / "run", data_set, [Net(1)])
    with pytest.raises(EvaluationError, match="another manifest"):
        of_runs([run], replace(data_set, checksum="b" * 64))
    with pytest.raises(EvaluationError, match=r"lacks: 0\.png"):
        of_runs([run], replace(data_set, films=data_set.films[1:]))
    (run / "run.json").unlink()
    with pytest.raises(EvaluationError, match="no finished run"):
        of_runs([run], data_set)


def test_an_altered_network_is_not_run(tmp_path: Path, data_set: DataSet) -> None:
    run = write_run(tmp_path / "run", data_set, [Net(1)])
    torch.jit.save(trace(Net(9)), str(run / "net0" / "model.pt"))
    with pytest.raises(EvaluationError, match="checksum differs"):
        of_runs([run], data_set)


def test_every_unreadable_film_is_named(tmp_path: Path, data_set: DataSet) -> None:
    run = write_run(tmp_path / "run", data_set, [Net(1)])
    data_set.films[30].path.write_bytes(b"no image")
    data_set.films[35].path.unlink()
    with pytest.raises(FilmsUnreadable) as caught:
        of_runs([run], data_set)
    assert len(caught.value.problems) == 2
    assert "30.png" in str(caught.value)
    assert "35.png: No such file" in str(caught.value)


def test_penultimate_features_are_what_the_last_layer_sees() -> None:
    network, images = Net(3), torch.rand(4, 1, SIZE, SIZE)
    logits, features = with_features(trace(network))(images)
    assert features.shape == (4, 6)
    torch.testing.assert_close(logits, network(images))
    torch.testing.assert_close(features @ network.fc.weight.T + network.fc.bias, logits)


def test_a_network_without_a_last_linear_layer_says_so(tmp_path: Path, data_set: DataSet) -> None:
    class Convolutional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.conv(images).mean(dim=(2, 3))

    with pytest.raises(NotLiftable, match="no penultimate features"):
        with_features(trace(Convolutional()))
    run = read_run(write_run(tmp_path / "run", data_set, [Convolutional()]))
    outputs = run_networks(run.networks, data_set.films[:3], features=True)["net0"]
    assert outputs.logits.shape == (3, 2)
    assert outputs.features is None
    assert "no penultimate features" in outputs.refusal


def test_an_audit_measures_everything_and_comes_back_from_its_tables(tmp_path: Path, data_set: DataSet) -> None:
    trainings = trainings_of_runs([write_run(tmp_path / "run", data_set, [Net(1)])], data_set)
    tasks = set()
    comparisons = [Comparison(name) for name in LABELS]
    predictions, baselines, tables = measure(trainings, data_set, comparisons, lambda task, *_: tasks.add(task))
    assert tasks == {"glances", "baselines", "networks", "sources", "centre hidden"}
    plain = of_runs([tmp_path / "run"], data_set)
    np.testing.assert_allclose(predictions.logits["net0"], plain.logits["net0"], atol=1e-6)
    assert tables.centre_hidden is not None
    assert tables.centre_hidden.films == predictions.films
    tensor = preprocess(hide_centre(decode(predictions.films[0].path.read_bytes())), InputSpec(size=SIZE)).tensor
    with torch.no_grad():
        expected = Net(1)(torch.from_numpy(tensor[None])).numpy()[0]
    np.testing.assert_allclose(tables.centre_hidden.logits["net0"][0], expected, atol=1e-6)
    write_audit(tables, tmp_path / "tables")
    again = read_audit(tmp_path / "tables")
    assert again is not None
    resampling = resampling_of(predictions, 100)
    first, second = (audit(predictions, baselines, one, [], resampling) for one in (tables, again))
    assert first == second
    told = {(one.source, one.seen): one.auroc.value for one in first.sources}
    assert told["B", "net0, features"] == told["B", "film, 16 x 16"] == 1
    write_audit(None, tmp_path / "tables")
    assert read_audit(tmp_path / "tables") is None


def test_networks_of_fewer_labels_than_the_manifest_are_compared_on_theirs(tmp_path: Path, data_set: DataSet) -> None:
    run = write_run(tmp_path / "run", data_set, [Net(1)])
    more = replace(data_set, labels=(Label(name="COVID-19"), *data_set.labels))
    films = tuple(replace(film, known=dict(film.known) | {"COVID-19": False}) for film in more.films)
    networks, console = Networks(runs=(run,)), Console(stderr=True)
    tables = measure_tables(networks, replace(more, films=films), (), 100, 0, console, lambda *_: None)
    assert {one.positive for one in tables.asked.comparisons} == set(LABELS)
    with pytest.raises(EvaluationError, match="COVID-19 is no label"):
        measure_tables(networks, more, ("COVID-19 vs the rest",), 100, 0, console, lambda *_: None)
