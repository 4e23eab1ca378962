"""What the model service says of networks and of their vote."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from radiolucent.handlers import Calibration
from radiolucent.handlers.evaluated import Estimate, Evaluation, ShortcutVerdict
from radiolucent.handlers.repository import Repository, load_set
from radiolucent.protos.radiolucent.v1 import model_pb2
from radiolucent.server.catalog import ModelCatalog
from radiolucent.server.errors import ModelNotFound
from radiolucent.server.models import ModelServicer
from radiolucent.server.triton.status import ServingStatus

EVALUATION = Evaluation(
    data="films, test",
    checksum="0" * 64,
    films=20,
    patients=10,
    metrics={"micro_f1": Estimate(value=0.8, low=0.7, high=0.9), "auroc Nodule": Estimate(value=None)},
    verdicts=(ShortcutVerdict(label="Nodule", excluded=False, text="shortcut not excluded: too few films"),),
    created=datetime(2026, 1, 1, tzinfo=timezone.utc),
)


@pytest.fixture
def servicer(catalog: ModelCatalog) -> ModelServicer:
    return ModelServicer(catalog, lambda card: None)


async def get(servicer: ModelServicer, name: str, version: int = 0) -> model_pb2.GetModelResponse:
    return await servicer.GetModel(model_pb2.GetModelRequest(name=name, version=version), None)


async def test_the_ensemble_has_a_card_like_a_network(servicer: ModelServicer, repository: Repository) -> None:
    for version in (0, 1):
        answer = await get(servicer, "chest_xray", version)
        assert answer.card_json == load_set(repository, 1, check=False).card.to_json()
        assert json.loads(answer.card_json)["members"] == {"resnet18": 1, "resnet34": 1}
        assert (answer.model.model.name, answer.model.model.version) == ("chest_xray", 1)
    assert json.loads((await get(servicer, "resnet18")).card_json)["name"] == "resnet18"


async def test_a_model_set_that_does_not_exist_is_not_found(servicer: ModelServicer, repository: Repository) -> None:
    with pytest.raises(ModelNotFound, match="there are: 1"):
        await get(servicer, "chest_xray", 9)
    with pytest.raises(ModelNotFound, match="chest_xray"):
        await get(servicer, "resnet99")
    nothing = ModelServicer(ModelCatalog(repository, lambda: ServingStatus(True)), lambda card: None)
    with pytest.raises(ModelNotFound, match="no model set is served; there are: 1"):
        await get(nothing, "chest_xray")


async def test_what_was_not_evaluated_says_so_everywhere(servicer: ModelServicer) -> None:
    listed = await servicer.ListModels(model_pb2.ListModelsRequest(), None)
    verdicts = {one.verdict for one in (*listed.models, listed.ensemble)} | {listed.serving.verdict}
    assert verdicts == {"shortcut not excluded: not evaluated"}


async def test_an_evaluation_gives_scores_intervals_and_the_verdict(
    repository: Repository, status: ServingStatus
) -> None:
    loaded = status.model_set
    assert loaded is not None
    calibration = Calibration(method="temperature", scale=(2, 2, 2), offset=(0, 0, 0))
    changed = loaded.cards["resnet18"].model_copy(update={"evaluation": EVALUATION, "calibration": calibration})
    loaded = replace(
        loaded,
        cards={**loaded.cards, "resnet18": changed},
        card=loaded.card.model_copy(update={"evaluation": EVALUATION}),
    )
    now = replace(status, model_set=loaded)
    servicer = ModelServicer(ModelCatalog(repository, lambda: now), lambda card: None)
    listed = await servicer.ListModels(model_pb2.ListModelsRequest(), None)
    for one in (listed.models[0], listed.ensemble):
        assert dict(one.metrics) == {"micro_f1": 0.8}
        assert (one.intervals["micro_f1"].low, one.intervals["micro_f1"].high) == (0.7, 0.9)
        assert one.verdict == "shortcut not excluded (Nodule)"
    assert listed.serving.verdict == "shortcut not excluded (Nodule)"
    assert [one.calibrated for one in listed.models[:2]] == [True, False]
    assert not listed.ensemble.calibrated
