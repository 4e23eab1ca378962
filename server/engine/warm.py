"""The networks that a worker keeps loaded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
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

    @property
    def bytes(self) -> int:
        return self.nbytes + self.network.copied_bytes


class WarmModels:
    """Loads networks, and keeps those used last, as long as their weights fit into a budget.

    Parameters
    ----------
    budget : int
        Bytes of weights, those that folding copies among them; the network at hand is kept whatever it takes.
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
            nbytes = _size(model.path)
            self._make_room(nbytes)  # first: two large networks at once may not fit
            script = load_torchscript(model.path, model.sha256, device=self._device)
            network = ExplainableNetwork(script, model.input, before_copying=partial(self._make_room, beside=1))
            self._models[model] = _Warm(network, nbytes)
        self._models.move_to_end(model)
        return self._models[model].network

    def _make_room(self, nbytes: int, beside: int = 0) -> None:
        """Forget those used longest ago until so many bytes fit; those used last are kept."""
        while len(self._models) > beside and sum(one.bytes for one in self._models.values()) + nbytes > self._budget:
            self._models.popitem(last=False)

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
