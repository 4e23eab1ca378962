"""The networks that a worker keeps loaded."""

from __future__ import annotations

from collections import OrderedDict

from ...handlers.torchscript import load_torchscript
from ...plugins import ExplainableNetwork
from .task import ModelRef

__all__ = ["WarmModels"]


class WarmModels:
    """Loads networks, and keeps those used last.

    Parameters
    ----------
    limit : int
        How many are kept, at least 1.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._models: OrderedDict[ModelRef, ExplainableNetwork] = OrderedDict()

    def get(self, model: ModelRef) -> ExplainableNetwork:
        """Return a network, from memory or from its file.

        Raises
        ------
        RepositoryError
            If the file is missing, is not TorchScript, or its checksum differs.
        """
        if model not in self._models:
            # Room first: two large networks at once may not fit.
            while len(self._models) >= self._limit:
                self._models.popitem(last=False)
            self._models[model] = ExplainableNetwork(load_torchscript(model.path, model.sha256), model.input)
        self._models.move_to_end(model)
        return self._models[model]

    def clear(self) -> None:
        """Forget all networks, whatever was done to them."""
        self._models.clear()

    @property
    def names(self) -> tuple[tuple[str, int], ...]:
        """Names and versions, most recently used last."""
        return tuple((model.name, model.version) for model in self._models)
