"""Fit one network: Lightning runs the loop, looks at the validation split, stops early and keeps the checkpoints."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from .batch_norm import estimate_batch_norm
from .batches import Batches, PlainBatches
from .checkpoints import WholeCheckpoints
from .errors import Diverged, Interrupted
from .module import SCORE, MultilabelClassifier, positive_weights
from .networks import build_network
from .settings import NetworkSettings, RunSettings
from .watch import Report, Watch, stop_on_interrupt

__all__ = ["BEST", "CHECKPOINT", "Fitted", "fit_network", "series_of"]

CHECKPOINT = "last.ckpt"
BEST = "best.ckpt"
_CHECKPOINT_EVERY = timedelta(seconds=45)

_LIGHTNING_WARNINGS: tuple[tuple[str, type[Warning]], ...] = (
    (r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning),
    ("Checkpoint directory .* exists and is not empty", UserWarning),  # that is what resuming means
    ("The '(train|val)_dataloader' does not have many workers", UserWarning),  # films are in memory already
    ("You're resuming from a checkpoint that ended before the epoch ended", UserWarning),  # `Watch` sets the batch
)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode, with the weights and batch-norm statistics that are released.
    steps, epochs : int
        How long it was trained; epochs are rounded where steps were asked for.
    best_epoch : int, optional
        From 1: whose weights these are; None where steps were asked for.
    seconds : float
        Wall time of the training, over all resumptions.
    """

    network: torch.nn.Module
    steps: int
    epochs: int
    best_epoch: int | None
    seconds: float


def series_of(settings: RunSettings, name: str, images: Any, targets: Any) -> Batches:  # noqa: ANN401 - arrays
    """Return the training batches of a network: passes of an epoch, or one pass of all steps."""
    own = settings.networks[name]
    steps = own.steps or -(-len(images) // own.batch)
    return Batches(images, targets, own.batch, steps, settings.seed, settings.augmentation)


def fit_network(
    name: str,
    settings: RunSettings,
    batches: Batches,
    validation: PlainBatches,
    folder: Path,
    report: Report = lambda done, total, note: None,
) -> Fitted:
    """Train one network, from its last checkpoint if there is one.

    Parameters
    ----------
    name : str
        Which of the five.
    settings : RunSettings
        How.
    batches : Batches
        Training films, see `series_of`.
    validation : PlainBatches
        What is looked at after each epoch; may be empty, and is not looked at where steps are asked for.
    folder : Path
        Keeps ``last.ckpt`` (after every epoch, or every 45 s and on Ctrl-C where steps are asked for), ``best.ckpt``
        and ``log.csv``.
    report : callable
        Told steps done, steps in all and how it goes.

    Raises
    ------
    Interrupted
        After Ctrl-C or SIGTERM; the same call goes on after the last finished epoch, or step where steps are asked for.
    Diverged
        If the loss is no number any more.
    """
    own = settings.networks[name]
    steps = own.steps or (own.epochs or 0) * batches.steps
    looks = own.epochs is not None and len(validation) > 0
    torch.manual_seed(settings.seed)
    network = build_network(name, len(settings.labels), own.weights).to(memory_format=torch.channels_last)
    checkpoint = folder / CHECKPOINT
    resumed = checkpoint if checkpoint.is_file() else None
    statistics = PlainBatches(batches.images, batches.targets, most=settings.batch_norm_films)
    module = MultilabelClassifier(
        network,
        own,
        steps,
        positive_weights(batches.targets, settings.imbalance),
        statistics if settings.batch_norm_films and looks else None,
    )
    for logger in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.WARNING)  # it announces its hardware and sells its cloud
    with stop_on_interrupt() as stop, _quiet_lightning():
        if own.epochs is None:
            watch = Watch(report, batches, stop, steps, checkpoint=checkpoint)
        else:
            watch = Watch(report, batches, stop, steps, log=folder / "log.csv")
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=1,
            precision=settings.precision,
            max_epochs=own.epochs or 1,  # steps are one long pass
            max_steps=own.steps or -1,
            limit_val_batches=1.0 if looks else 0,
            num_sanity_val_steps=0,
            callbacks=[*_callbacks(own, looks, folder), watch],
            plugins=[WholeCheckpoints()],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
            inference_mode=False,  # batch-norm statistics are taken within
        )
        try:
            trainer.fit(module, train_dataloaders=batches, val_dataloaders=validation, ckpt_path=resumed)
        except Interrupted as stopped:
            raise Interrupted(f"{name}: {stopped}") from None
        except SIGTERMException:  # a SystemExit that says all went well
            raise Interrupted(f"{name}: stopped in epoch {trainer.current_epoch + 1}") from None
        except Diverged as error:
            raise Diverged(f"{name}: {error}") from None
        if stop.is_set():  # asked for while the last checkpoint was written, too
            raise Interrupted(f"{name}: stopped after step {trainer.global_step} of {steps}")
    best = _take_best(network, folder / BEST) if own.patience is not None and looks else None
    if settings.batch_norm_films:
        estimate_batch_norm(network, (images for images, _ in statistics))
    epochs = trainer.current_epoch if own.epochs else round(steps * own.batch / len(batches.images))
    return Fitted(
        network=network.eval(),
        steps=trainer.global_step,
        epochs=epochs,
        best_epoch=None if own.epochs is None else best or epochs,
        seconds=watch.seconds,
    )


def _callbacks(own: NetworkSettings, looks: bool, folder: Path) -> list[Callback]:
    if own.epochs is None:
        return [
            ModelCheckpoint(
                folder, filename="last", train_time_interval=_CHECKPOINT_EVERY, enable_version_counter=False
            )
        ]
    kept = {"dirpath": folder, "save_on_train_epoch_end": True, "enable_version_counter": False}
    chosen: list[Callback] = []
    if own.patience is not None and looks:
        chosen.append(_EarlyStopping(SCORE, mode="max", patience=own.patience, check_on_train_epoch_end=True))
        chosen.append(ModelCheckpoint(filename="best", monitor=SCORE, mode="max", save_weights_only=True, **kept))
    # The last of all: what the others have decided is in it.
    return [*chosen, ModelCheckpoint(filename="last", **kept)]


def _take_best(network: torch.nn.Module, path: Path) -> int:
    """Load the weights of the best epoch; return its number, from 1."""
    best = torch.load(path, map_location="cpu", weights_only=True)
    prefix = "network."
    network.load_state_dict({name.removeprefix(prefix): value for name, value in best["state_dict"].items()})
    return int(best["epoch"]) + 1


class _EarlyStopping(EarlyStopping):
    """Stays stopped: a training that ended early and was killed before its result was written takes no more steps."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        trainer.should_stop = trainer.should_stop or self.stopped_epoch > 0


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Silence what Lightning 2.6 does to torch's deprecations, and its surprise at resuming."""
    with warnings.catch_warnings():
        for message, category in _LIGHTNING_WARNINGS:
            warnings.filterwarnings("ignore", message=message, category=category)
        yield
