"""A real network learns phantoms."""

from __future__ import annotations

from pathlib import Path

import pytest
from radiolucent.handlers.card import DataRecord
from radiolucent.training.examples import PhantomExamples
from radiolucent.training.presets import demo_settings
from radiolucent.training.run import run_training
from radiolucent.training.settings import NetworkSettings


class Silent:
    """Nobody looks on."""

    def update(self, task: str, done: int, total: int, note: str = "") -> None: ...
    def say(self, text: str) -> None: ...


@pytest.mark.timeout(300)
def test_resnet18_learns_in_half_a_minute_what_a_thumbnail_cannot_show(tmp_path: Path) -> None:
    examples = PhantomExamples(0, {"train": 300, "val": 60, "test": 100})
    data = DataRecord(name=examples.name, checksum=examples.checksum)
    settings = demo_settings(data, examples.labels, ["resnet18"], seed=0)
    network = NetworkSettings(size=96, steps=90, batch=16, learning_rate=3e-3)
    wanted = settings.model_copy(update={"networks": {"resnet18": network}})
    record = run_training(tmp_path, wanted, examples, Silent())
    assert record.thumbnail_ridge["micro_f1"] <= 0.6
    assert record.networks[0].test["micro_f1"] >= 0.75
    # The vote of one network is its own, and what its labels imply.
    assert record.majority["micro_recall"] >= record.networks[0].test["micro_recall"]
