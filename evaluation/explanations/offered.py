"""What a server offers to an audit: its networks with what their cards say, its methods and its measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ...client import AsyncClient, Measure, Method, ModelSet, RadiolucentError
from ...handlers.card import DataRecord, Label, ModelCard
from ...handlers.ensemble_card import EnsembleCard
from ...handlers.evaluated import Estimate
from ...handlers.repository import ENSEMBLE
from ..errors import EvaluationError

__all__ = ["Offered", "ask_offered", "defaults"]


@dataclass(frozen=True)
class Offered:
    """What a server has.

    Parameters
    ----------
    model_set : int
        Version of the serving set.
    networks, input_sizes, weights : dict
        By name, in voting order: version, side of the input in pixels, checksum of the weights.
    labels : tuple of Label
        Of the ensemble.
    methods, measures : mapping
        By name.
    verdict : str
        What the set's card says of shortcuts.
    scores : dict
        By network and ``majority``: scores of their cards.
    trained_on : DataRecord, optional
        What the networks learnt from.
    versions : dict of str to str
        Of the server and what it is made of.
    workers : int
        Number of explanation workers.
    """

    model_set: int
    networks: dict[str, int]
    input_sizes: dict[str, int]
    weights: dict[str, str]
    labels: tuple[Label, ...]
    methods: Mapping[str, Method]
    measures: Mapping[str, Measure]
    verdict: str = ""
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    trained_on: DataRecord | None = None
    versions: dict[str, str] = field(default_factory=dict)
    workers: int = 1


async def ask_offered(client: AsyncClient) -> Offered:
    """Ask a server what it has.

    Raises
    ------
    EvaluationError
        If it serves no model set, or its cards cannot be read.
    RadiolucentError
        If it cannot be asked.
    """
    serving = (await client.list_models()).serving
    if serving is None:
        raise EvaluationError(f"{client.address} serves no model set")
    cards, ensemble = await _cards(client, serving)
    catalogue = await client.list_methods()
    info = await client.server_info()
    scores = {card.name: _scores(card.estimates) for card in cards}
    scores["majority"] = _scores(ensemble.estimates)
    return Offered(
        model_set=serving.version,
        networks={member.name: member.version for member in serving.members},
        input_sizes={card.name: card.input.size for card in cards},
        weights={card.name: card.files.get("model.pt") or next(iter(card.files.values()), "") for card in cards},
        labels=ensemble.labels,
        methods={method.name: method for method in catalogue.methods},
        measures={measure.name: measure for measure in catalogue.measures},
        verdict=ensemble.verdict,
        scores=scores,
        trained_on=ensemble.data,
        versions={**ensemble.versions, **info.component_versions, "radiolucent": info.version},
        workers=max(1, info.explanation_workers),
    )


async def _cards(client: AsyncClient, serving: ModelSet) -> tuple[list[ModelCard], EnsembleCard]:
    try:
        cards = [
            ModelCard.model_validate((await client.get_model(member.name, member.version)).card)
            for member in serving.members
        ]
        return cards, EnsembleCard.model_validate((await client.get_model(ENSEMBLE, serving.version)).card)
    except ValidationError as error:
        raise EvaluationError("the server's model cards are not those of this version of radiolucent") from error
    except RadiolucentError as error:
        raise EvaluationError(f"the server's model cards cannot be had: {error}") from error


def _scores(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    return {name: one.value for name, one in estimates.items() if one.value is not None}


def defaults(schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with the defaults that their JSON Schema tells."""
    known = {name: one["default"] for name, one in schema.get("properties", {}).items() if "default" in one}
    return {**known, **given}
