from __future__ import annotations

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
