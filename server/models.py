"""The model service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..handlers.card import INTENDED_USE, ModelCard
from ..handlers.repository import ENSEMBLE
from ..plugins import Applicability
from ..protos.radiolucent.v1 import model_pb2, model_pb2_grpc
from . import convert
from .catalog import ModelCatalog
from .paths import without_paths

__all__ = ["ModelServicer"]


class ModelServicer(model_pb2_grpc.ModelServiceServicer):
    """Converts for the catalog.

    Parameters
    ----------
    catalog
        The networks.
    applicability
        Tells what a network can be explained with; None while that was not found out.
    """

    def __init__(self, catalog: ModelCatalog, applicability: Callable[[ModelCard], Applicability | None]) -> None:
        self._catalog = catalog
        self._applicability = applicability

    async def ListModels(  # noqa: D102
        self,
        request: model_pb2.ListModelsRequest,
        context: Any,  # noqa: ANN401
    ) -> model_pb2.ListModelsResponse:
        status = self._catalog.status
        voting = status.model_set.cards if status.model_set else {}
        return model_pb2.ListModelsResponse(
            models=[
                convert.model(card, self._applicability(card), votes=name in voting)
                for name, card in self._catalog.served().items()
            ],
            serving=convert.model_set(status.model_set) if status.model_set else None,
            refused=[
                model_pb2.Refusal(
                    name=one.name,
                    version=one.version,
                    reason=without_paths(one.reason, self._catalog.repository.root),
                )
                for one in status.refused
            ],
            intended_use=INTENDED_USE,
            ensemble=convert.ensemble(status.model_set.card) if status.model_set else None,
        )

    async def GetModel(  # noqa: D102
        self,
        request: model_pb2.GetModelRequest,
        context: Any,  # noqa: ANN401
    ) -> model_pb2.GetModelResponse:
        if request.name == ENSEMBLE:
            whole = self._catalog.find_ensemble(request.version)
            return model_pb2.GetModelResponse(model=convert.ensemble(whole), card_json=whole.to_json())
        card = self._catalog.find(request.name, request.version)
        model_set = self._catalog.status.model_set
        votes = model_set is not None and model_set.model_set.members.get(card.name) == card.version
        model = convert.model(card, self._applicability(card), votes=votes)
        return model_pb2.GetModelResponse(model=model, card_json=card.to_json())
