"""A network and how it learns, as Lightning wants it."""

from __future__ import annotations

from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits

from .batch_norm import estimate_batch_norm
from .batches import Batch, PlainBatches
from .errors import Diverged
from .scores import aurocs, mean_auroc
from .settings import NetworkSettings

__all__ = ["SCORE", "MultilabelClassifier", "masked_loss", "positive_weights", "require_numbers"]

SCORE = "val_score"
"""What early stopping looks at; the higher the better."""


def masked_loss(
    logits: torch.Tensor, targets: torch.Tensor, positive_weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Return binary cross-entropy, the mean over what is known.

    Parameters
    ----------
    logits, targets : Tensor, shape [films, labels]
        Targets are 0, 1, and NaN for unknown: such a label teaches nothing.
    positive_weight : Tensor, shape [labels], optional
        How often a positive film counts.

    Returns
    -------
    Tensor
        A number; 0 where nothing is known.
    """
    known = ~targets.isnan()
    answer = torch.where(known, targets, 0)
    each = binary_cross_entropy_with_logits(logits, answer, pos_weight=positive_weight, reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


def positive_weights(targets: NDArray[np.float32], bound: float | None) -> torch.Tensor | None:
    """Return negatives / positives of each label among the films where it is known, within ``[1 / bound, bound]``."""
    if bound is None:
        return None
    positives, negatives = (targets == 1).sum(axis=0), (targets == 0).sum(axis=0)
    ratio = np.where((positives > 0) & (negatives > 0), negatives / np.maximum(positives, 1), 1)
    return torch.from_numpy(np.clip(ratio, 1 / bound, bound).astype(np.float32))


def require_numbers(values: torch.Tensor, what: str) -> None:
    """Raise `Diverged` where a value is infinite or no number."""
    if not torch.isfinite(values).all():
        raise Diverged(f"{what} is no finite number; a smaller --learning-rate may help")


class MultilabelClassifier(lightning.LightningModule):
    """Masked binary cross-entropy on each label's logit, and the optimiser that the settings name.

    Parameters
    ----------
    network : torch.nn.Module
        Maps images to logits.
    settings : NetworkSettings
        How it is trained.
    steps : int
        Optimiser steps in all.
    positive_weight : Tensor, optional
        See `masked_loss`.
    statistics : PlainBatches, optional
        Training films from which batch-norm statistics are taken before each look at the validation split, so that it
        is the network that would be released which is looked at.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        settings: NetworkSettings,
        steps: int,
        positive_weight: torch.Tensor | None = None,
        statistics: PlainBatches | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self._settings = settings
        self._steps = steps
        self._positive_weight = positive_weight
        self._statistics = statistics
        self._seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:
        """Return the loss of one batch."""
        images, targets = batch
        loss = masked_loss(self.network(images).float(), targets, self._positive_weight)
        require_numbers(loss, f"the loss of step {self.global_step + 1}")
        if self._settings.epochs is not None:
            self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(images))
        return loss

    def on_validation_start(self) -> None:
        """Take batch-norm statistics that fit the weights."""
        if self._statistics is not None:
            with self.trainer.precision_plugin.forward_context():
                estimate_batch_norm(self.network, (images for images, _ in self._statistics))

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Keep what the network says of one batch."""
        images, targets = batch
        self._seen.append((self.network(images).float(), targets))

    def on_validation_epoch_end(self) -> None:
        """Log the masked loss and AUROC of the validation split, and the score that early stopping looks at."""
        logits, targets = (torch.cat(part) for part in zip(*self._seen, strict=True))
        self._seen.clear()
        require_numbers(logits, f"what it says of the validation films after step {self.global_step}")
        loss = masked_loss(logits, targets, self._positive_weight)
        auroc = mean_auroc(aurocs(logits.numpy(), targets.numpy()))
        self.log("val_loss", loss)
        if auroc is not None:
            self.log("val_auroc", auroc)
        # Not the loss: calibration mends over-confidence afterwards, but nothing mends a poor ranking.
        self.log(SCORE, -loss if auroc is None else torch.tensor(auroc))

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own union has six members
        """Return the optimiser and its schedule."""
        settings = self._settings
        kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(
            self.network.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,  # half a second per step less for InceptionResNetV2's 54 million weights
        )
        if settings.warm_up is None:
            return optimizer
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            settings.learning_rate,
            total_steps=self._steps,
            pct_start=settings.warm_up,
            cycle_momentum=settings.momentum_cycle,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
