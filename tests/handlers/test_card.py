from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from radiolucent.handlers import INTENDED_USE, CardError, ModelCard, load_card, save_card

CARD: dict[str, Any] = {
    "name": "resnet18",
    "title": "ResNet18",
    "version": 1,
    "architecture": "resnet18",
    "source": "trained",
    "labels": [{"name": "Pneumonia"}, {"name": "COVID-19", "implies": "Pneumonia", "threshold": 0.51}],
    "input": {"size": 96},
    "parity": {"torchscript_max_abs": 0, "onnx_max_abs": 1e-6},
    "files": {"model.onnx": "0" * 64, "model.pt": "1" * 64},
    "created": "2026-01-01T00:00:00Z",
}


VERDICT: dict[str, Any] = {
    "label": "Pneumonia",
    "excluded": False,
    "text": "shortcut not excluded: the lower end is -.05",
    "comparison": "Pneumonia vs No Finding in NIH",
    "difference": {"value": 0.01, "low": -0.05, "high": 0.07},
    "baseline": "thumbnail",
}
EVALUATION: dict[str, Any] = {
    "data": "films, test",
    "checksum": "2" * 64,
    "films": 219,
    "patients": 124,
    "metrics": {"micro_f1": {"value": 0.7, "low": 0.6, "high": 0.8}, "auroc COVID-19": {"value": None}},
    "verdicts": [VERDICT, {"label": "COVID-19", "excluded": True, "text": "shortcut excluded: .1 above"}],
    "created": "2026-01-02T00:00:00Z",
}
FULL: dict[str, Any] = {
    **CARD,
    "calibration": {"method": "platt", "scale": [0.5, 2], "offset": [0.1, -1]},
    "thresholds": [
        {"label": "Pneumonia", "value": 0.5, "chosen_by": "given by the preset"},
        {"label": "COVID-19", "value": 0.51, "low": 0.4, "high": 0.6, "chosen_by": "largest F1", "split": "val"},
    ],
    "evaluation": EVALUATION,
    "metrics": {"micro_f1": 0.9, "thumbnail_ridge_micro_f1": 0.693},
    "training": {
        "preset": "paper",
        "data": {"name": "films", "checksum": "3" * 64, "licences": {"CC0": 800, "CC BY-NC-SA": 66}},
        "epochs": 250,
        "steps": 1000,
        "seed": 0,
        "initial_weights": "imagenet",
        "seconds": 3600,
        "optimiser": "Adam",
    },
}


def test_a_card_survives_writing_and_reading(tmp_path: Path) -> None:
    card = ModelCard.model_validate(CARD)
    save_card(card, tmp_path / "card.json")
    assert load_card(tmp_path / "card.json") == card
    assert card.intended_use == INTENDED_USE
    assert card.label_names == ("Pneumonia", "COVID-19")
    assert card.backend == "onnxruntime"


def test_a_card_is_never_overwritten(tmp_path: Path) -> None:
    card = ModelCard.model_validate(CARD)
    save_card(card, tmp_path / "card.json")
    with pytest.raises(CardError, match="cannot write"):
        save_card(card, tmp_path / "card.json")


def test_a_network_without_onnx_is_served_by_pytorch() -> None:
    assert ModelCard.model_validate({**CARD, "files": {"model.pt": "1" * 64}}).backend == "pytorch"


@pytest.mark.parametrize(
    "change",
    [
        {"labels": []},
        {"labels": [{"name": "A"}, {"name": "A"}]},
        {"labels": [{"name": "A", "implies": "B"}]},
        {"labels": [{"name": "A", "implies": "A"}]},
        {"labels": [{"name": "A", "implies": "B"}, {"name": "B", "implies": "A"}]},
        {"labels": [{"name": "A", "threshold": 1.5}]},
        {"name": "../resnet"},
        {"name": ".staging"},
        {"version": 0},
        {"files": {}},
        {"files": {"other": "0" * 64}},
        {"files": {"model.pt": "short"}},
        {"input": {"size": 96, "std": 0}},
        {"unknown": 1},
        {"schema_version": 2},
    ],
)
def test_a_card_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModelCard.model_validate({**CARD, **change})


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[1]"])
def test_rubbish_is_no_card(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(CardError, match=r"card\.json: not a valid model card"):
        load_card(tmp_path / "card.json")


def test_a_missing_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"nowhere\.json: cannot read"):
        load_card(tmp_path / "nowhere.json")


def test_a_card_with_everything_survives_writing_and_reading(tmp_path: Path) -> None:
    card = ModelCard.model_validate(FULL)
    save_card(card, tmp_path / "card.json")
    assert load_card(tmp_path / "card.json") == card


def test_a_card_of_an_older_version_loads_and_claims_nothing(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(json.dumps(CARD))
    card = load_card(tmp_path / "card.json")
    assert card.calibration is None
    assert card.verdict == "shortcut not excluded: not evaluated"
    assert card.baseline == ""


def test_one_label_whose_shortcut_is_not_excluded_decides_over_the_card() -> None:
    card = ModelCard.model_validate(FULL)
    assert card.verdict == "shortcut not excluded (Pneumonia)"
    assert "thumbnail" in card.baseline
    assert "-0.050 to +0.070" in card.baseline


def test_a_score_of_all_films_stands_beside_the_best_baseline_of_all_films() -> None:
    best = {"predictor": "source", "value": 0.765, "low": 0.7, "high": 0.82}
    card = ModelCard.model_validate({**FULL, "evaluation": {**FULL["evaluation"], "baselines": {"micro_f1": best}}})
    assert card.baseline.startswith("all films: micro F1 of source 0.765 (0.700 to 0.820); ")
    assert "-0.050 to +0.070" in card.baseline


def test_scores_are_the_evaluation_s_and_are_not_mixed_with_those_of_training() -> None:
    card = ModelCard.model_validate(FULL)
    assert card.evaluation is not None
    assert card.estimates == card.evaluation.metrics
    unevaluated = ModelCard.model_validate({**FULL, "evaluation": None}).estimates
    assert (unevaluated["micro_f1"].value, unevaluated["micro_f1"].low) == (0.9, None)


def test_without_an_evaluation_the_thumbnail_stands_beside_the_score() -> None:
    card = ModelCard.model_validate({**FULL, "evaluation": None})
    assert card.baseline == "ridge regression on a 16 x 16 thumbnail: micro F1 0.693"


@pytest.mark.parametrize(
    "change",
    [
        {"calibration": {"method": "platt", "scale": [1], "offset": [0]}},
        {"thresholds": [{"label": "Pneumonia", "value": 0.5, "chosen_by": "x"}]},
        {"thresholds": [{**FULL["thresholds"][0], "value": 0.4}, FULL["thresholds"][1]]},
        {"thresholds": [{**FULL["thresholds"][0], "low": 0.4}, FULL["thresholds"][1]]},
    ],
)
def test_calibration_and_thresholds_of_something_else_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModelCard.model_validate({**FULL, **change})
