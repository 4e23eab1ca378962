"""What the training writes is what the evaluation reads; they share no code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from radiolucent.datasets import DataSet, Film, Split
from radiolucent.evaluation.errors import EvaluationError, RunUnreadable
from radiolucent.evaluation.known_splits import refuse_other_splits, splits_checksum
from radiolucent.evaluation.trained import read_run
from radiolucent.handlers.calibration import Calibration
from radiolucent.handlers.card import DataRecord, InputSpec, Label
from radiolucent.handlers.repository.checksum import sha256
from radiolucent.training.augmentation import Augmentation
from radiolucent.training.examples import Examples
from radiolucent.training.parity import save_torchscript, trace_network
from radiolucent.training.record import NetworkResult, RunRecord, write_document
from radiolucent.training.run import _keep_splits
from radiolucent.training.settings import NetworkSettings, RunSettings
from radiolucent.training.thresholds import Threshold
from torch import nn


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16, 2)).eval()
    folder = tmp_path / "net"
    folder.mkdir()
    save_torchscript(trace_network(network, InputSpec(size=32)), folder / "model.pt")
    settings = RunSettings(
        preset="standard",
        data=DataRecord(name="made up", checksum="a" * 64),
        labels=(Label(name="Viral Pneumonia", implies="Pneumonia"), Label(name="Pneumonia")),
        networks={"net": NetworkSettings(size=32, steps=1)},
        augmentation=Augmentation(),
        precision="32-true",
        seed=0,
    )
    limits = (Threshold(value=0.25, chosen="on validation"), Threshold(value=0.75, low=0.5, high=0.9, chosen="so"))
    result = NetworkResult(
        name="net",
        steps=1,
        epochs=1,
        best_epoch=None,
        seconds=0.0,
        calibration=Calibration(method="temperature", scale=(0.5, 0.5), offset=(0.0, 0.0)),
        thresholds=limits,
        notes=(),
        validation={},
        test={},
        model=sha256(folder / "model.pt"),
    )
    record = RunRecord(
        settings=settings,
        films={},
        splits="b" * 64,
        licences={},
        networks=(result,),
        majority={},
        mean={},
        mean_thresholds=limits[::-1],
        thumbnail_ridge={},
        versions={"torch": torch.__version__},
    )
    write_document(settings, tmp_path / "settings.json")
    write_document(result, folder / "result.json")
    write_document(record, tmp_path / "run.json")
    found = read_run(tmp_path)
    assert found.labels == settings.labels
    assert found.data == settings.data
    assert found.decisions["net"].thresholds == (0.25, 0.75)
    assert found.decisions["net"].calibration == result.calibration
    assert found.mean_thresholds == (0.75, 0.25)
    (loaded,) = found.networks
    assert (loaded.name, loaded.spec) == ("net", InputSpec(size=32))
    images = torch.rand(3, 1, 32, 32)
    torch.testing.assert_close(loaded.script(images), network(images))
    (folder / "result.json").unlink()
    with pytest.raises(RunUnreadable, match=r"result\.json: cannot be read"):
        read_run(tmp_path)


class _Examples:
    """As the training lists films: split by split."""

    def __init__(self, data_set: DataSet) -> None:
        self._data_set = data_set

    def names(self, split: Split) -> tuple[tuple[str, str], ...]:
        return tuple((film.file, film.group) for film in self._data_set.of(split))


def test_a_model_set_is_not_tested_on_films_that_it_may_have_been_trained_on(tmp_path: Path) -> None:
    splits: tuple[Split, ...] = ("test", "train", "val", "train")
    films = tuple(Film(tmp_path, f"{i}.png", 0, {}, f"ä{i}", split=split) for i, split in enumerate(splits))
    data_set = DataSet(tmp_path / "manifest.csv", "made up", "a" * 64, (Label(name="Pneumonia"),), films)
    _keep_splits(tmp_path / "splits.csv", cast("Examples", _Examples(data_set)))
    trained_on = DataRecord(name="made up", checksum="a" * 64, splits=sha256(tmp_path / "splits.csv"))
    assert splits_checksum(data_set) == trained_on.splits
    refuse_other_splits(trained_on, data_set)
    turned = replace(data_set, films=(replace(films[0], split="train"), replace(films[1], split="test"), *films[2:]))
    with pytest.raises(EvaluationError, match="may have been trained on"):
        refuse_other_splits(trained_on, turned)
    refuse_other_splits(trained_on, replace(turned, checksum="b" * 64))
    refuse_other_splits(trained_on.model_copy(update={"splits": None}), turned)
    refuse_other_splits(None, turned)
