"""A network and how it learns, as Lightning wants it."""

from __future__ import annotations

from typing import Any

import lightning
import torch

from .settings import NetworkSettings

__all__ = ["MultilabelClassifier"]


class MultilabelClassifier(lightning.LightningModule):
    """Binary cross-entropy on each label's logit; AdamW with one cycle of the learning rate.

    Parameters
    ----------
    network : torch.nn.Module
        Maps images to logits.
    settings : NetworkSettings
        How it is trained.
    """

    def __init__(self, network: torch.nn.Module, settings: NetworkSettings) -> None:
        super().__init__()
        self.network = network
        self._settings = settings
        self._loss = torch.nn.BCEWithLogitsLoss()

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_index: int) -> torch.Tensor:
        """Return the loss of one batch."""
        images, targets = batch
        loss: torch.Tensor = self._loss(self.network(images).float(), targets)
        return loss

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own union has six members
        """Return AdamW and its schedule."""
        settings = self._settings
        optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,  # half a second per step less for InceptionResNetV2's 54 million weights
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=settings.steps, pct_start=0.25
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
