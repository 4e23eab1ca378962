"""What a card says of its training films reaches the method that explains the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from radiolucent.handlers import InputSpec, Label, ModelCard
from radiolucent.handlers.brightness import BrightnessStatistics
from radiolucent.handlers.card import Parity
from radiolucent.handlers.repository import Repository
from radiolucent.plugins import load_registry
from radiolucent.server.engine.costs import CostModel
from radiolucent.server.engine.events import Target, TargetReason
from radiolucent.server.engine.explainer import Explainer
from radiolucent.server.engine.order import ExplainOrder, MethodCall
from radiolucent.server.engine.plan import Explained, Planner
from radiolucent.server.engine.task import FailureReason, ItemTask, ModelRef, WorkerDone, WorkerEvent, WorkerFailure
from radiolucent.server.engine.validate import check_methods

STATISTICS = BrightnessStatistics(films=40, mean=((0.4,) * 16,) * 16, std=((0.2,) * 16,) * 16)


def planned(method: MethodCall, statistics: BrightnessStatistics | None) -> ItemTask:
    card = ModelCard(
        name="resnet18",
        title="ResNet18",
        version=1,
        architecture="resnet18",
        source="trained",
        labels=(Label(name="Lesion"),),
        input=InputSpec(size=32),
        parity=Parity(),
        files={"model.pt": "0" * 64},
        created=datetime(2024, 5, 1, tzinfo=timezone.utc),
        brightness=statistics,
    )
    order = ExplainOrder("", b"", (method,))
    target = Target("Lesion", next(iter(TargetReason)))
    registry = load_registry(())
    calls = check_methods(order.methods, registry)
    planner = Planner(registry, Repository(Path("models")), CostModel())
    (item,) = planner.plan("job", order, calls, (Explained(card.name, card.version, card, (target,), {}),))
    assert item.parameters == item.task.parameters
    return item.task


@pytest.mark.parametrize("statistics", [STATISTICS, None])
def test_a_task_carries_the_statistics_of_the_card(statistics: BrightnessStatistics | None) -> None:
    assert planned(MethodCall("saliency", {}), statistics).model.statistics == statistics


def test_what_a_result_says_of_its_parameters_has_the_defaults_filled_in() -> None:
    parameters = planned(MethodCall("integrated_gradients", {"steps": 7}), None).parameters
    assert parameters == {
        "steps": 7,
        "max_error": 0.01,
        "max_steps": 200,
        "internal_batch_size": 4,
        "baseline": "black",
        "seed": 0,
    }


def test_a_worker_hands_them_to_the_method(make_task: Callable[..., ItemTask], network_file: ModelRef) -> None:
    def last(statistics: BrightnessStatistics | None) -> WorkerEvent:
        events: list[WorkerEvent] = []
        model = replace(network_file, statistics=statistics)
        parameters = {"baseline": "training_mean", "window": 8}
        Explainer(load_registry(())).run(make_task(model=model, parameters=parameters), events.append, lambda: False)
        return events[-1]

    assert isinstance(last(STATISTICS), WorkerDone)
    refusal = last(None)
    assert isinstance(refusal, WorkerFailure)
    assert refusal.reason is FailureReason.NOT_APPLICABLE
    assert "blurred" in refusal.message
