"""An interrupted run goes on as if nothing had happened, and a finished one stays as it is."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from radiolucent.handlers.card import DataRecord
from radiolucent.training.errors import Interrupted, RunError
from radiolucent.training.examples import PhantomExamples
from radiolucent.training.exportable import load_run
from radiolucent.training.presets import demo_settings
from radiolucent.training.run import run_training
from radiolucent.training.settings import NetworkSettings, RunSettings
from radiolucent.training.watch import stop_on_interrupt

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("thin")]
EXAMPLES = PhantomExamples(0, {"train": 48, "val": 16, "test": 16})


class Recorder:
    """Keeps what a run tells, and presses Ctrl-C where asked to."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.steps: list[int] = []
        self.said: list[str] = []
        self._interrupt_at = interrupt_at

    def update(self, task: str, done: int, total: int, note: str = "") -> None:
        if task == "resnet18":
            self.steps.append(done)
            if done == self._interrupt_at:
                os.kill(os.getpid(), signal.SIGINT)

    def say(self, text: str) -> None:
        self.said.append(text)


def settings(steps: int) -> RunSettings:
    base = demo_settings(
        DataRecord(name=EXAMPLES.name, checksum=EXAMPLES.checksum), EXAMPLES.labels, ["resnet18"], seed=0
    )
    network = NetworkSettings(size=96, steps=steps, batch=8, learning_rate=3e-3)
    return base.model_copy(update={"networks": {"resnet18": network}})


def test_a_resumed_run_takes_the_steps_that_were_missing_and_ends_with_the_same_weights(tmp_path: Path) -> None:
    stopped = Recorder(interrupt_at=4)
    with pytest.raises(Interrupted, match="after step 4 of 7"):
        run_training(tmp_path / "a", settings(7), EXAMPLES, stopped)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed = Recorder()
    run_training(tmp_path / "a", settings(7), EXAMPLES, resumed)
    assert any(text.startswith("no guard") for text in resumed.said)  # 48 films are too few
    assert stopped.steps + resumed.steps == [1, 2, 3, 4, 5, 6, 7]
    whole = Recorder()
    run_training(tmp_path / "b", settings(7), EXAMPLES, whole)
    assert whole.steps == [1, 2, 3, 4, 5, 6, 7]
    one, other = (load_run(tmp_path / name).networks[0].network.state_dict() for name in "ab")
    for name, values in one.items():
        torch.testing.assert_close(values, other[name], rtol=1e-4, atol=1e-5)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = run_training(tmp_path, settings(2), EXAMPLES, Recorder())
    again = Recorder()
    assert run_training(tmp_path, settings(2), EXAMPLES, again) == first
    assert again.steps == []
    # What networks may be explained with: the brightness of the 48 training films, no other split's.
    assert first.brightness is not None
    assert first.brightness.films == 48
    assert load_run(tmp_path).networks[0].brightness == first.brightness
    assert not (tmp_path / "cache").exists()
    assert not list(tmp_path.glob("**/*.ckpt"))


def test_a_folder_takes_one_run_only(tmp_path: Path) -> None:
    run_training(tmp_path, settings(2), EXAMPLES, Recorder())
    with pytest.raises(RunError, match="other networks"):
        run_training(tmp_path, settings(3), EXAMPLES, Recorder())


def test_an_unfinished_run_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run_training(tmp_path, settings(5), EXAMPLES, Recorder(interrupt_at=1))
    with pytest.raises(RunError, match="unfinished"):
        load_run(tmp_path)


def test_the_second_ctrl_c_ends_at_once() -> None:
    with stop_on_interrupt() as stop:
        assert not stop.is_set()
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
