"""The networks that a worker keeps loaded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch

from ...handlers.torchscript import load_torchscript
from ...plugins import ExplainableNetwork
from .task import ModelRef

__all__ = ["WarmModels"]


@dataclass(frozen=True)
class _Warm:
    network: ExplainableNetwork
    nbytes: int


class WarmModels:
    """Loads networks, and keeps those used last, as long as their weights fit into a budget.

    Parameters
    ----------
    budget : int
        Bytes of weights; the network at hand is kept whatever it takes.
    device : torch.device, optional
        Where they compute; by default on the processor.
    """

    def __init__(self, budget: int, device: torch.device | None = None) -> None:
        self._budget = budget
        self._device = str(device or "cpu")
        self._models: OrderedDict[ModelRef, _Warm] = OrderedDict()

    def get(self, model: ModelRef) -> ExplainableNetwork:
        """Return a network, from memory or from its file.

        Raises
        ------
        RepositoryError
            If the file is missing, is not TorchScript, or its checksum differs.
        """
        if model not in self._models:
            # Room first: two large networks at once may not fit.
            nbytes = _size(model.path)
            while self._models and sum(one.nbytes for one in self._models.values()) + nbytes > self._budget:
                self._models.popitem(last=False)
            script = load_torchscript(model.path, model.sha256, device=self._device)
            self._models[model] = _Warm(ExplainableNetwork(script, model.input), nbytes)
        self._models.move_to_end(model)
        return self._models[model].network

    def clear(self) -> None:
        """Forget all networks, whatever was done to them."""
        self._models.clear()

    @property
    def names(self) -> tuple[tuple[str, int], ...]:
        """Names and versions, most recently used last."""
        return tuple((model.name, model.version) for model in self._models)


def _size(file: Path) -> int:
    """Return the size of a TorchScript file, which is nearly that of its weights; 0 if there is none."""
    try:
        return file.stat().st_size
    except OSError:
        return 0
