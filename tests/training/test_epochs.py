"""Epochs: what a stopped training loses, which epoch is kept, what a run leaves behind."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from radiolucent.datasets import DataSet, Split, read_data_set, resample
from radiolucent.handlers.card import DataRecord
from radiolucent.handlers.repository.checksum import sha256
from radiolucent.training.checkpoints import WholeCheckpoints
from radiolucent.training.errors import Diverged, Interrupted, RunError
from radiolucent.training.examples import DataSetExamples
from radiolucent.training.exportable import load_run
from radiolucent.training.presets import standard_settings
from radiolucent.training.record import RunRecord
from radiolucent.training.resampled import Folds, run_resampled
from radiolucent.training.run import run_training
from radiolucent.training.settings import RunSettings

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("thin")]


class Recorder:
    """Keeps what a run tells, and does something at a step."""

    def __init__(self, at: int | None = None, then: Callable[[], None] = lambda: None) -> None:
        self.steps: list[int] = []
        self.said: list[str] = []
        self._at = at
        self._then = then

    def update(self, task: str, done: int, total: int, note: str = "") -> None:
        if task.endswith("resnet18"):
            self.steps.append(done)
            if done == self._at:
                self._then()

    def say(self, text: str) -> None:
        self.said.append(text)


class Killed(BaseException):
    """Ends a training as SIGKILL would: nothing is saved."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Return 60 small films of 30 patients; bright ones have pneumonia, and of some that is not known."""
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(0)
    rows = ["file,group_id,labels,split,source,licence"]
    for index in range(60):
        sick = index % 4 < 2
        pixels = rng.normal(150 if sick else 90, 30, (40, 40)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
        split = "train" if index < 32 else "val" if index < 46 else "test"
        label = "Pneumonia" if sick else "No Finding"
        rows.append(f"{index}.png,g{index // 2},{label},{split},{'ab'[index % 3 == 0]},CC0")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return read_data_set(folder / "manifest.csv")


def settings(data: DataSet, epochs: int, patience: int | None = None, rate: float = 3e-3) -> RunSettings:
    base = standard_settings(DataRecord(name=data.name, checksum=data.checksum), data.labels, ["resnet18"], 0, {})
    changes = {"size": 32, "epochs": epochs, "batch": 8, "patience": patience, "learning_rate": rate}
    network = base.networks["resnet18"].model_copy(update=changes)
    return base.model_copy(update={"networks": {"resnet18": network}, "precision": "32-true"})


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def kill() -> None:
    raise Killed


def log(run: Path) -> list[dict[str, str]]:
    with (run / "resnet18/log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def same(one: Path, other: Path) -> None:
    weights, others = (torch.load(run / "resnet18/weights.pt", weights_only=True) for run in (one, other))
    for name, values in weights.items():
        torch.testing.assert_close(values, others[name], rtol=1e-5, atol=1e-6)
    columns = ("epoch", "step", "learning_rate", "train_loss", "val_loss", "val_auroc")
    for row, expected in zip(log(one), log(other), strict=True):
        assert [float(row[c]) for c in columns] == pytest.approx([float(expected[c]) for c in columns], abs=1e-5)


@pytest.fixture(scope="module")
def whole(thin: None, data: DataSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("whole")
    run_training(run, settings(data, 3), DataSetExamples(data), Recorder())
    return run


@pytest.mark.parametrize("ending", [ctrl_c, terminate, kill])
def test_a_training_that_was_stopped_in_an_epoch_loses_that_epoch_at_most(
    ending: Callable[[], None], data: DataSet, whole: Path, tmp_path: Path
) -> None:
    stopped = Recorder(7, ending)  # epochs end with the steps 4, 8 and 12
    with pytest.raises((Interrupted, Killed)):
        run_training(tmp_path, settings(data, 3), DataSetExamples(data), stopped)
    assert len(log(tmp_path)) == 1
    resumed = Recorder()
    run_training(tmp_path, settings(data, 3), DataSetExamples(data), resumed)
    assert (stopped.steps, resumed.steps) == ([1, 2, 3, 4, 5, 6, 7], [5, 6, 7, 8, 9, 10, 11, 12])
    same(tmp_path, whole)


def test_ctrl_c_is_answered_with_what_is_kept(data: DataSet, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="resnet18: stopped in epoch 1; 0 epochs are kept"):
        run_training(tmp_path, settings(data, 3), DataSetExamples(data), Recorder(1, ctrl_c))


def test_ctrl_c_while_the_last_checkpoint_is_written_is_not_lost(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = WholeCheckpoints.save_checkpoint

    def pressed(self: WholeCheckpoints, checkpoint: dict[str, Any], path: Path, **_: object) -> None:
        ctrl_c()
        save(self, checkpoint, path)

    monkeypatch.setattr(WholeCheckpoints, "save_checkpoint", pressed)
    with pytest.raises(Interrupted, match="resnet18: stopped after step 4 of 4"):
        run_training(tmp_path, settings(data, 1), DataSetExamples(data), Recorder())
    monkeypatch.undo()
    resumed = Recorder()
    run_training(tmp_path, settings(data, 1), DataSetExamples(data), resumed)
    assert resumed.steps == []


def test_half_a_checkpoint_never_replaces_a_whole_one(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(checkpoint: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise Killed

    with pytest.raises(Interrupted):
        run_training(tmp_path, settings(data, 3), DataSetExamples(data), Recorder(7, ctrl_c))
    monkeypatch.setattr("radiolucent.training.checkpoints.torch.save", half)
    with pytest.raises(Killed):
        run_training(tmp_path, settings(data, 3), DataSetExamples(data), Recorder())
    monkeypatch.undo()
    resumed = Recorder()
    run_training(tmp_path, settings(data, 3), DataSetExamples(data), resumed)
    assert resumed.steps[0] == 5


def test_a_network_whose_loss_is_no_number_ends_the_run(data: DataSet, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"resnet18: .* smaller --learning-rate"):
        run_training(tmp_path, settings(data, 2, rate=1e30), DataSetExamples(data), Recorder())
    assert not (tmp_path / "resnet18/result.json").exists()


def test_a_run_takes_no_other_splits(data: DataSet, whole: Path) -> None:
    turned: dict[str | None, Split] = {"train": "train", "val": "test", "test": "val"}
    films = tuple(replace(film, split=turned[film.split]) for film in data.films)
    with pytest.raises(RunError, match="other splits"):
        run_training(whole, settings(data, 3), DataSetExamples(replace(data, films=films)), Recorder())


def test_early_stopping_keeps_the_best_epoch(data: DataSet, tmp_path: Path) -> None:
    record = run_training(tmp_path, settings(data, 12, patience=1), DataSetExamples(data), Recorder())
    result = record.networks[0]
    scores = [float(row["val_auroc"]) for row in log(tmp_path)]
    assert len(scores) == result.epochs < 12
    assert result.best_epoch == scores.index(max(scores)) + 1 < result.epochs
    # The released weights give the best epoch's score again.
    assert result.validation["macro_auroc"] == pytest.approx(max(scores), abs=0.01)


def test_a_training_that_had_stopped_early_is_not_gone_on_with(data: DataSet, tmp_path: Path) -> None:
    run_training(tmp_path / "a", settings(data, 12, patience=1), DataSetExamples(data), Recorder())
    epochs = len(log(tmp_path / "a"))

    class Full(Recorder):
        def update(self, task: str, done: int, total: int, note: str = "") -> None:
            super().update(task, done, total, note)
            if task.endswith("on val"):
                raise Killed

    with pytest.raises(Killed):
        run_training(tmp_path / "b", settings(data, 12, patience=1), DataSetExamples(data), Full())
    again = Recorder()
    run_training(tmp_path / "b", settings(data, 12, patience=1), DataSetExamples(data), again)
    assert again.steps == []
    assert len(log(tmp_path / "b")) == epochs
    same(tmp_path / "b", tmp_path / "a")


def test_what_a_run_leaves(data: DataSet, whole: Path) -> None:
    assert {path.name for path in whole.iterdir()} == {"settings.json", "splits.csv", "run.json", "resnet18"}
    files = {"log.csv", "logits.npz", "model.pt", "result.json", "weights.pt"}
    assert {path.name for path in (whole / "resnet18").iterdir()} == files
    record = RunRecord.model_validate_json((whole / "run.json").read_bytes())
    result = record.networks[0]
    assert result.model == sha256(whole / "resnet18/model.pt")
    assert record.splits == sha256(whole / "splits.csv")
    assert record.licences == {"CC0": 32}
    assert (result.epochs, result.best_epoch, result.steps) == (3, 3, 12)
    assert len(result.thresholds) == len(record.mean_thresholds) == 2
    assert any("not calibrated" in note for note in result.notes)  # 7 validation films on a side are too few
    with (whole / "splits.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert rows[0] == {"file": "0.png", "group": "g0", "split": "train"}
    network = load_run(whole).networks[0].network
    traced = torch.jit.load(str(whole / "resnet18/model.pt"))
    images = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(traced(images), network(images))


def test_unknown_labels_are_masked_all_the_way(data: DataSet, tmp_path: Path) -> None:
    films = tuple(replace(f, known={}) if n % 5 == 0 else f for n, f in enumerate(data.films))
    record = run_training(tmp_path, settings(data, 1), DataSetExamples(replace(data, films=films)), Recorder())
    assert np.isfinite(list(record.networks[0].test.values())).all()
    assert np.isfinite([float(log(tmp_path)[0][name]) for name in ("train_loss", "val_loss")]).all()


def test_folds_are_runs_of_their_own_and_go_on_as_a_whole(data: DataSet, tmp_path: Path) -> None:
    parts = resample(data, "folds:2", 0)
    folds = Folds(plan="folds:2", seed=5, folds=tuple(parts))

    def of_fold(films: DataSet, fold: str | None, seed: int) -> RunSettings:
        return settings(films, 1).model_copy(update={"seed": seed, "selection": (str(fold),)})

    with pytest.raises(Interrupted):
        # The second fold's first step.
        run_resampled(tmp_path, folds, parts, of_fold, Twice())
    assert (tmp_path / "fold-1/run.json").is_file()
    told = Recorder()
    records = run_resampled(tmp_path, folds, parts, of_fold, told)
    assert any("fold-1: " in line and "all networks are finished" in line for line in told.said)
    assert [record.settings.seed for record in records.values()] == [5, 6]
    assert json.loads((tmp_path / "folds.json").read_text())["folds"] == ["fold-1", "fold-2"]
    assert len(load_run(tmp_path / "fold-2").networks) == 1
    with pytest.raises(RunError, match="a run for each fold"):
        load_run(tmp_path)
    tested = []
    for fold in parts:
        with (tmp_path / fold / "splits.csv").open(newline="") as file:
            tested += [row["file"] for row in csv.DictReader(file) if row["split"] == "test"]
    assert sorted(tested) == sorted(film.file for film in data.films)
    with pytest.raises(RunError, match="other folds"):
        run_resampled(tmp_path, folds.model_copy(update={"plan": "folds:3"}), parts, of_fold, told)
    with pytest.raises(RunError, match="--resample"):
        run_training(tmp_path, settings(data, 1), DataSetExamples(data), told)


class Twice(Recorder):
    """Presses Ctrl-C when the first step is taken for the second time."""

    def update(self, task: str, done: int, total: int, note: str = "") -> None:
        super().update(task, done, total, note)
        if task.endswith("resnet18") and self.steps.count(1) == 2 and done == 1:
            ctrl_c()
