"""Fit one network: Lightning runs the loop and keeps the checkpoints; Ctrl-C ends after the step that is running."""

from __future__ import annotations

import logging
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from .batch_norm import estimate_batch_norm
from .batches import Batches
from .errors import Interrupted
from .module import MultilabelClassifier
from .networks import build_network
from .settings import RunSettings

__all__ = ["CHECKPOINT", "fit_network", "stop_on_interrupt"]

CHECKPOINT = "last.ckpt"
_CHECKPOINT_EVERY = timedelta(seconds=45)
_BATCH_NORM_FILMS = 256

_LIGHTNING_WARNINGS: tuple[tuple[str, type[Warning]], ...] = (
    (r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning),
    ("Checkpoint directory .* exists and is not empty", UserWarning),  # that is what resuming means
)

Report = Callable[[int, int, float], None]
"""Told steps done, steps in all and the running loss."""


class _Watch(Callback):
    """Reports each step, and stops after the one during which a stop was asked for."""

    def __init__(self, report: Report, stop: threading.Event, checkpoint: Path) -> None:
        self._report = report
        self._stop = stop
        self._checkpoint = checkpoint
        self._loss: float | None = None

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,  # noqa: ANN401 - as Lightning declares it
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        loss = float(outputs["loss"])
        self._loss = loss if self._loss is None else 0.9 * self._loss + 0.1 * loss
        self._report(trainer.global_step, int(trainer.max_steps), self._loss)
        if self._stop.is_set():
            trainer.save_checkpoint(self._checkpoint)
            trainer.should_stop = True


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


def fit_network(
    name: str, settings: RunSettings, batches: Batches, folder: Path, report: Report = lambda done, total, loss: None
) -> tuple[torch.nn.Module, float]:
    """Train one network, from its last checkpoint if there is one.

    Parameters
    ----------
    name : str
        Which of the five.
    settings : RunSettings
        How.
    batches : Batches
        Training films; as many steps as the settings say.
    folder : Path
        Keeps the checkpoint: every 45 s, and on Ctrl-C.
    report : callable
        Told steps done, steps in all and the running loss.

    Returns
    -------
    network : torch.nn.Module
        In evaluation mode, with batch-norm statistics of its final weights.
    seconds : float
        Wall time of this call.

    Raises
    ------
    Interrupted
        After Ctrl-C; the checkpoint holds the last finished step.
    """
    start = time.monotonic()
    own = settings.networks[name]
    torch.manual_seed(settings.seed)
    network = build_network(name, len(settings.labels), settings.weights).to(memory_format=torch.channels_last)
    checkpoint = folder / CHECKPOINT
    resumed = checkpoint if checkpoint.is_file() else None
    for logger in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.WARNING)  # it announces its hardware and sells its cloud
    with stop_on_interrupt() as stop, _quiet_lightning():
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=1,
            precision=settings.precision,
            max_epochs=1,  # `Batches` is one long pass: its length is the number of steps
            max_steps=own.steps,
            callbacks=[
                _Watch(report, stop, checkpoint),
                ModelCheckpoint(
                    folder, filename="last", train_time_interval=_CHECKPOINT_EVERY, enable_version_counter=False
                ),
            ],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        trainer.fit(MultilabelClassifier(network, own), train_dataloaders=batches, ckpt_path=resumed)
        if trainer.global_step < own.steps:
            raise Interrupted(f"{name}: stopped after step {trainer.global_step} of {own.steps}")
    estimate_batch_norm(network, _plain_batches(batches))
    return network, time.monotonic() - start


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Silence what Lightning 2.6 does to torch's deprecations, and its surprise at resuming."""
    with warnings.catch_warnings():
        for message, category in _LIGHTNING_WARNINGS:
            warnings.filterwarnings("ignore", message=message, category=category)
        yield


def _plain_batches(batches: Batches) -> Iterator[torch.Tensor]:
    """Training films as they are served, without augmentation."""
    images = batches.images[:_BATCH_NORM_FILMS]
    for first in range(0, len(images) - 1, 32):
        yield torch.from_numpy(images[first : first + 32].copy()).to(memory_format=torch.channels_last)
