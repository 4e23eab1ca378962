"""A task's precision is that of everything computed for it, and nothing of it is taken for another's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from google.protobuf import json_format
from radiolucent.plugins import load_registry
from radiolucent.protos.radiolucent.v1 import explanation_pb2
from radiolucent.server import convert_jobs
from radiolucent.server.engine.explainer import Explainer
from radiolucent.server.engine.order import ExplainOrder, MethodCall
from radiolucent.server.engine.task import ItemTask, MeasureTask, ModelRef, Precision, WorkerEvent, WorkerMap
from radiolucent.server.errors import InvalidRequest
from torch import nn


@pytest.fixture
def deep(network_file: ModelRef, tmp_path: Path) -> ModelRef:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 3)).eval()
    path = tmp_path / "model.pt"
    torch.jit.trace(network, torch.rand(2, 1, network_file.input.size, network_file.input.size)).save(str(path))
    return replace(network_file, name="deep", path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_maps_and_measures_of_one_job_in_two_precisions_do_not_mix(
    make_task: Callable[..., ItemTask], deep: ModelRef
) -> None:
    explainer = Explainer(load_registry(()))
    found = {}
    for method in ("input_x_gradient", "occlusion"):
        for precision in Precision:
            events: list[WorkerEvent] = []
            deletion = (MeasureTask("deletion", {"steps": 4}),)
            task = make_task(model=deep, method=method, precision=precision, measures=deletion)
            explainer.run(task, events.append, lambda: False)
            made = [event for event in events if isinstance(event, WorkerMap) and event.target == 2]
            assert all("bfloat16_error" not in one.facts for one in made if not one.final)
            found[method, precision] = made[-1]
        exact, reduced = (found[method, precision] for precision in Precision)
        assert "bfloat16_error" not in exact.facts
        error = reduced.facts["bfloat16_error"]
        assert error == pytest.approx(reduced.output_value - exact.output_value, abs=1e-6)
        assert error != 0
        assert exact.measurements[0].values != reduced.measurements[0].values
    again: list[WorkerEvent] = []
    explainer.run(make_task(model=deep, method="input_x_gradient"), again.append, lambda: False)
    last = [event for event in again if isinstance(event, WorkerMap) and event.target == 2][-1]
    assert (last.heatmap == found["input_x_gradient", Precision.FLOAT32].heatmap).all()


def test_another_precision_is_another_request_and_an_unknown_one_is_refused() -> None:
    order = ExplainOrder("", b"film", (MethodCall("saliency"),))
    assert order.fingerprint() != replace(order, precision=Precision.BFLOAT16).fingerprint()
    asked = json_format.ParseDict({"precision": "PRECISION_BFLOAT16"}, explanation_pb2.ExplainRequest())
    assert convert_jobs.order(asked).precision is Precision.BFLOAT16
    assert convert_jobs.order(explanation_pb2.ExplainRequest()).precision is Precision.FLOAT32
    with pytest.raises(InvalidRequest, match="unknown precision 9"):
        convert_jobs.order(explanation_pb2.ExplainRequest(precision=9))  # type: ignore[arg-type]
