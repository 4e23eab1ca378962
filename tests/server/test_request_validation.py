# ruff: noqa: ANN401 - the stand-ins are fixtures, whose classes tests cannot import
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from radiolucent.handlers import InputSpec
from radiolucent.plugins import load_registry
from radiolucent.server.caller import Caller
from radiolucent.server.engine.events import JobState
from radiolucent.server.engine.explain import ExplanationEngine
from radiolucent.server.engine.order import ExplainOrder, MethodCall, TargetChoice
from radiolucent.server.errors import InvalidRequest
from radiolucent.server.instance import InstanceReference
from radiolucent.server.triton.status import ServingStatus

METHODS = ", ".join(load_registry(()).methods)
LABELS = "Nodule, Lesion, Effusion"


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"request_id": "42"}, "request_id", "must be a UUID"),
        ({"request_id": "{6f1d1a1e-0f0e-4e57-9a3b-0c3f3d9f7a11}"}, "request_id", "8-4-4-4-12"),
        ({"request_id": "urn:uuid:6f1d1a1e-0f0e-4e57-9a3b-0c3f3d9f7a11"}, "request_id", "8-4-4-4-12"),
        ({"request_id": "6f1d1a1e0f0e4e579a3b0c3f3d9f7a11"}, "request_id", "8-4-4-4-12"),
        ({"request_id": "6f1d1a1e-0f0e-4e57-9a3b-0c3f3d9f7a11\n"}, "request_id", "8-4-4-4-12"),
        ({"methods": ()}, "methods", METHODS),
        ({"methods": (MethodCall("tea_leaves"),)}, "methods[0].name", METHODS),
        ({"methods": (MethodCall("saliency"),) * 2}, "methods[1].name", "named twice"),
        ({"methods": (MethodCall("occlusion", {"windw": 3}),)}, "methods[0].parameters", "its parameters are: "),
        ({"methods": (MethodCall("occlusion", {"windw": 3}),)}, "methods[0].parameters", "'windw': "),
        ({"methods": (MethodCall("occlusion", {"\n" + "w" * 99: 3}),)}, "methods[0].parameters", f"'?{'w' * 63}…': "),
        (
            {"methods": (MethodCall("saliency"), MethodCall("occlusion", {"stride": -1}))},
            "methods[1].parameters.stride",
            "greater than",
        ),
        (
            {"methods": (MethodCall("saliency"), MethodCall("occlusion", {"window": 50}))},
            "methods[1].parameters",
            "window of 50 pixels does not fit into the network's 16 x 16 pixels",
        ),
        ({"models": ("resnet18", "vgg")}, "models[1]", "resnet18, resnet34, thoracic, unseen"),
        ({"models": ("resnet18", "resnet18")}, "models[1]", "named twice"),
        ({"models": ("unseen",)}, "models[0]", "no TorchScript copy"),
        ({"choice": TargetChoice.NAMED}, "targets.labels.names", LABELS),
        ({"choice": TargetChoice.NAMED, "labels": ("Lesion", "Lung")}, "targets.labels.names[1]", LABELS),
        (
            {"choice": TargetChoice.NAMED, "labels": ("Nodule",), "models": ("resnet18", "thoracic")},
            "models",
            "thoracic has none of these labels; it has: Mass, Effusion",
        ),
        ({"instance": InstanceReference(sop_instance_uid="1" * 65)}, "xray.instance.sop_instance_uid", "allows 64"),
    ],
)
async def test_the_error_names_the_field_and_lists_what_there_is(
    engine: ExplanationEngine,
    make_order: Callable[..., ExplainOrder],
    caller: Caller,
    triton: Any,
    changes: dict[str, Any],
    field: str,
    words: str,
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await engine.submit(make_order(**changes), caller)
    assert [one.field for one in caught.value.violations] == [field]
    assert words in caught.value.violations[0].description
    assert triton.asked == 0


async def test_every_wrong_method_is_named_at_once(
    engine: ExplanationEngine, make_order: Callable[..., ExplainOrder], caller: Caller
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await engine.submit(make_order("tea_leaves", "saliency", "palmistry"), caller)
    assert [one.field for one in caught.value.violations] == ["methods[0].name", "methods[2].name"]


async def test_a_request_id_is_the_same_in_capitals_and_is_given_back_as_it_came(
    engine: ExplanationEngine, make_order: Callable[..., ExplainOrder], caller: Caller
) -> None:
    name = "6F1D1A1E-0f0e-4e57-9a3b-0c3f3d9f7a11"
    job = await engine.submit(make_order(request_id=name), caller)
    assert job.request_id == name
    assert await engine.submit(make_order(request_id=name.lower()), caller) is job


async def test_a_method_that_fits_one_of_the_networks_is_taken_without_a_word_in_the_log(
    engine: ExplanationEngine,
    make_order: Callable[..., ExplainOrder],
    caller: Caller,
    status: ServingStatus,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert status.model_set is not None
    cards: Any = status.model_set.cards
    cards["resnet34"] = cards["resnet34"].model_copy(update={"input": InputSpec(size=64)})
    job = await engine.submit(make_order(methods=(MethodCall("occlusion", {"window": 50}),)), caller)
    await job.ended()
    assert "cannot say what it costs" not in caplog.text
    assert job.state is JobState.DONE
