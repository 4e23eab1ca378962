"""The statistic of a network's training films."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from radiolucent.handlers import CardError, ModelCard, load_card, save_card
from radiolucent.handlers.brightness import BrightnessStatistics

CARD: dict[str, Any] = {
    "name": "resnet18",
    "title": "ResNet18",
    "version": 1,
    "architecture": "resnet18",
    "source": "trained",
    "labels": [{"name": "Pneumonia"}],
    "input": {"size": 96},
    "parity": {"torchscript_max_abs": 0, "onnx_max_abs": 1e-6},
    "files": {"model.onnx": "0" * 64, "model.pt": "1" * 64},
    "created": "2026-01-01T00:00:00Z",
}


def films(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).random((count, 1, 16, 16), dtype=np.float32)


def test_it_is_mean_and_spread_of_every_cell() -> None:
    seen = films(50)
    statistics = BrightnessStatistics.of(seen)
    assert statistics is not None
    assert statistics.films == 50
    np.testing.assert_allclose(statistics.mean, seen[:, 0].mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(statistics.std, seen[:, 0].std(axis=0), atol=1e-4)


def test_of_a_few_films_nothing_is_kept() -> None:
    assert BrightnessStatistics.of(films(19)) is None
    assert BrightnessStatistics.of(films(20)) is not None


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_films_that_are_all_black_or_all_white_have_one_too(level: float) -> None:
    assert BrightnessStatistics.of(np.full((20, 16, 16), level, dtype=np.float32)) is not None


def test_a_spread_that_brightness_cannot_have_is_refused() -> None:
    row = (0.1,) * 16
    with pytest.raises(ValidationError, match="std is larger"):
        BrightnessStatistics(films=20, mean=(row,) * 16, std=((0.5,) * 16,) * 16)


def test_a_card_with_it_survives_writing_and_reading(tmp_path: Path) -> None:
    card = ModelCard.model_validate({**CARD, "brightness": BrightnessStatistics.of(films(30))})
    save_card(card, tmp_path / "card.json")
    assert load_card(tmp_path / "card.json") == card
    assert len(card.to_json()) < 20_000


def test_a_card_written_before_there_was_one_still_loads(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text(json.dumps(CARD))
    assert load_card(tmp_path / "card.json").brightness is None


def test_a_grid_of_another_size_is_refused(tmp_path: Path) -> None:
    plane = ((0.5,) * 8,) * 8
    (tmp_path / "card.json").write_text(json.dumps({**CARD, "brightness": {"films": 20, "mean": plane, "std": plane}}))
    with pytest.raises(CardError, match=r"brightness\.mean"):
        load_card(tmp_path / "card.json")
