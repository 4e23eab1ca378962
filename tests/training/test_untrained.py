"""The five with random weights are a model set like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from radiolucent.handlers.repository import Repository, load_set, verify
from radiolucent.training.untrained import build_untrained_set


@pytest.mark.timeout(300)
def test_all_five_export_as_a_sound_set(tmp_path: Path) -> None:
    model_set = build_untrained_set(tmp_path)
    repository = Repository(tmp_path)
    assert list(model_set.members) == ["resnet18", "resnet34", "inception_v3", "inception_resnet_v2", "densenet161"]
    assert verify(repository, model_set.version) == ()
    assert all("untrained" in card.title for card in load_set(repository, 1).cards.values())
    stored = json.loads((tmp_path / "chest_xray/1/model_set.json").read_text())
    assert stored["members"] == dict(model_set.members)
