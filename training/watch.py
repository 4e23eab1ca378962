"""What looks on while Lightning trains: progress, the log of epochs, and the wish to stop."""

from __future__ import annotations

import csv
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from .batches import Batches
from .errors import Interrupted

__all__ = ["Report", "Watch", "stop_on_interrupt"]

Report = Callable[[int, int, str], None]
"""Told steps done, steps in all and how it goes."""

_COLUMNS = ("epoch", "step", "learning_rate", "train_loss", "val_loss", "val_auroc", "seconds")


class Watch(Callback):
    """Reports each step, logs each epoch, and ends the training when asked to.

    The log's rows and the seconds are kept in the checkpoint. So ``log.csv`` has every epoch once, however often the
    training was stopped or killed; Lightning's CSVLogger removes the file when a training goes on.

    Parameters
    ----------
    report : callable
        Told of each step.
    batches : Batches
        Continued where the training is. Lightning restores a loader's state within a pass alone.
    stop : threading.Event
        Set when the training shall end.
    steps : int
        Optimiser steps in all.
    log : Path, optional
        The ``log.csv`` with a row for each epoch.
    checkpoint : Path, optional
        Written when a stop is asked for; else what the last epoch left is what a resumed training starts from.
    """

    def __init__(
        self,
        report: Report,
        batches: Batches,
        stop: threading.Event,
        steps: int,
        log: Path | None = None,
        checkpoint: Path | None = None,
    ) -> None:
        self._report = report
        self._batches = batches
        self._stop = stop
        self._steps = steps
        self._log = log
        self._checkpoint = checkpoint
        self._loss: float | None = None
        self._note = ""
        self._rows: list[dict[str, float]] = []
        self._before = 0.0
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Wall time of training so far, over all resumptions."""
        return self._before + time.monotonic() - self._start

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"seconds": self.seconds, "rows": self._rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what a checkpoint has kept."""
        self._before = float(state_dict["seconds"])
        self._rows = list(state_dict["rows"])

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Go on with the batch that is next."""
        self._batches.position = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,  # noqa: ANN401 - as Lightning declares it
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Report a step."""
        loss = float(outputs["loss"])
        self._loss = loss if self._loss is None else 0.9 * self._loss + 0.1 * loss
        self._report(trainer.global_step, self._steps, f"loss {self._loss:.3f}{self._note}")
        if not self._stop.is_set():
            return
        if self._checkpoint is None:
            self._give_up(trainer)
        trainer.save_checkpoint(self._checkpoint)
        trainer.should_stop = True

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,  # noqa: ANN401 - as Lightning declares it
        batch: Any,  # noqa: ANN401
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stop within a look at the validation split, too."""
        if self._stop.is_set():
            self._give_up(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Log an epoch."""
        if self._log is None:
            return
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": round(self.seconds, 1),
        }
        self._rows.append(row | {name: round(metrics[name], 6) for name in _COLUMNS if name in metrics})
        auroc = f", validation AUROC {metrics['val_auroc']:.3f}" if "val_auroc" in metrics else ""
        self._note = f", {row['epoch']} epochs{auroc}"
        temporary = self._log.with_name(f".{self._log.name}")
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _COLUMNS)
            writer.writeheader()
            writer.writerows(self._rows)
        os.replace(temporary, self._log)

    def _give_up(self, trainer: lightning.Trainer) -> None:
        raise Interrupted(f"stopped in epoch {trainer.current_epoch + 1}; {trainer.current_epoch} epochs are kept")


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event, so that a step is finished and a checkpoint whole; the second one kills."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)
