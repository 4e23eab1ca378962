"""What a run and its evaluation know goes into the cards, and what they do not know is said."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
import torch
from radiolucent.datasets import make_labels
from radiolucent.handlers import Calibration
from radiolucent.handlers.card import DataRecord
from radiolucent.handlers.evaluated import Estimate, Evaluation, EvaluationOfSet, ShortcutVerdict
from radiolucent.handlers.repository import Repository, load_set
from radiolucent.training.commands import export
from radiolucent.training.errors import RunError
from radiolucent.training.exportable import EVALUATION, load_run
from radiolucent.training.networks import build_network
from radiolucent.training.presets import standard_settings
from radiolucent.training.record import NetworkResult, RunRecord, write_document
from radiolucent.training.thresholds import Threshold

LABELS = make_labels(("Pneumonia", "No Finding"))
CALIBRATION = Calibration(method="temperature", scale=(0.5, 0.5), offset=(0, 0))
THRESHOLDS = (
    Threshold(value=0.4, low=0.3, high=0.6, chosen="largest F1"),
    Threshold(value=0.5, chosen="not chosen: the validation split has no films with the label"),
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of one network that was never trained."""
    folder = tmp_path / "run"
    (folder / "resnet18").mkdir(parents=True)
    data = DataRecord(name="films", checksum="0" * 64, commercial_use=False)
    settings = standard_settings(data, LABELS, ("resnet18",), 0, {})
    size = settings.networks["resnet18"].model_copy(update={"size": 64})
    settings = settings.model_copy(update={"networks": {"resnet18": size}})
    torch.save(build_network("resnet18", 2).state_dict(), folder / "resnet18" / "weights.pt")
    result = NetworkResult(
        name="resnet18",
        steps=10,
        epochs=3,
        best_epoch=2,
        seconds=1.5,
        calibration=CALIBRATION,
        thresholds=THRESHOLDS,
        notes=(),
        validation={},
        test={"micro_f1": 0.9},
        model="1" * 64,
    )
    record = RunRecord(
        settings=settings,
        films={"train": 8, "val": 2, "test": 2},
        splits="2" * 64,
        licences={"CC0": 5, "CC BY-NC-SA": 3},
        networks=(result,),
        majority={"micro_f1": 0.95},
        mean={"micro_f1": 0.94},
        mean_thresholds=THRESHOLDS,
        thumbnail_ridge={"micro_f1": 0.8},
        versions={},
    )
    write_document(record, folder / "run.json")
    return folder


def evaluation(name: str) -> EvaluationOfSet:
    one = Evaluation(
        data="films, test",
        checksum="0" * 64,
        films=2,
        patients=2,
        metrics={"micro_f1": Estimate(value=0.7, low=0.5, high=0.9)},
        verdicts=(ShortcutVerdict(label="Pneumonia", excluded=False, text="shortcut not excluded: too few films"),),
        created=datetime(2026, 1, 1, tzinfo=timezone.utc),
    )
    return EvaluationOfSet(networks={name: one}, ensemble=one)


def test_a_run_fills_the_card_of_its_network(run: Path) -> None:
    [item] = load_run(run).networks
    assert item.calibration == CALIBRATION
    assert [(one.label, one.value, one.low, one.split) for one in item.thresholds] == [
        ("Pneumonia", 0.4, 0.3, "val"),
        ("No Finding", 0.5, None, ""),
    ]
    assert [label.threshold for label in item.labels] == [0.4, 0.5]
    data = item.training.data
    assert (data.licences, data.splits, data.commercial_use) == ({"CC0": 5, "CC BY-NC-SA": 3}, "2" * 64, False)
    assert (item.training.best_epoch, item.training.optimiser) == (2, "AdamW")
    assert item.metrics["thumbnail_ridge_micro_f1"] == 0.8


def test_an_export_without_an_evaluation_warns_and_the_cards_say_so(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(run, tmp_path / "models")
    said = " ".join(capsys.readouterr().err.split())
    assert "Not evaluated" in said
    assert "shortcut not excluded: not evaluated" in said
    loaded = load_set(Repository(tmp_path / "models"), 1)
    assert {loaded.card.verdict, loaded.cards["resnet18"].verdict} == {"shortcut not excluded: not evaluated"}
    assert loaded.card.metrics["micro_f1"] == 0.95
    assert loaded.card.baseline.endswith("micro F1 0.800")


def test_an_evaluation_goes_into_every_card(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / EVALUATION).parent.mkdir()
    write_document(evaluation("resnet18"), run / EVALUATION)
    export(run, tmp_path / "models")
    assert "Not evaluated" not in capsys.readouterr().err
    loaded = load_set(Repository(tmp_path / "models"), 1)
    for card in (loaded.card, loaded.cards["resnet18"]):
        assert card.verdict == "shortcut not excluded (Pneumonia)"
        assert card.estimates["micro_f1"].low == 0.5


def test_an_evaluation_of_other_networks_is_refused(run: Path) -> None:
    (run / EVALUATION).parent.mkdir()
    write_document(evaluation("resnet34"), run / EVALUATION)
    with pytest.raises(RunError, match=r"is of resnet34, but the run has resnet18: evaluate it again"):
        load_run(run)
