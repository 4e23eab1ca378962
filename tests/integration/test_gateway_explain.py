from __future__ import annotations

import json
from itertools import pairwise

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb
from radiolucent.protos.radiolucent.v1 import explanation_pb2_grpc, image_pb2

from .streams import happenings

METHODS = ("occlusion", "integrated_gradients", "saliency")


def request(png: bytes, *methods: str, **values: object) -> pb.ExplainRequest:
    calls = [pb.MethodCall(name=name) for name in methods or METHODS]
    return pb.ExplainRequest(**{"xray": image_pb2.XRay(file=png), "methods": calls} | values)  # type: ignore[arg-type]


def explain(channel: grpc.Channel, asked: pb.ExplainRequest) -> list[pb.JobEvent]:
    stub = explanation_pb2_grpc.ExplanationServiceStub(channel)
    return list(happenings(stub.Explain(asked, timeout=50)))


def array(tensor: image_pb2.Tensor) -> np.ndarray:
    return np.frombuffer(tensor.float32_le, dtype="<f4").reshape(tuple(tensor.shape))


def test_an_explanation_says_with_its_votes_that_the_xray_is_unlike_the_training_data(
    channel: grpc.Channel, png: bytes, inverted_png: bytes
) -> None:
    said = [
        explain(channel, request(file, "saliency", models=["resnet18"]))[0].classified.classification.likeness
        for file in (png, inverted_png)
    ]
    assert [one.warns for one in said] == [False, True]
    assert "Do not rely on the votes." in said[1].text


def test_a_stream_brings_classification_progress_heatmaps_and_a_summary(channel: grpc.Channel, png: bytes) -> None:
    asked = request(png, partial_heatmaps=True, attributions=True, inputs=True)
    asked.methods[METHODS.index("integrated_gradients")].parameters.update({"steps": 16})
    asked.xray.instance.sop_instance_uid = "1.2.3"
    events = explain(channel, asked)

    kinds = [event.WhichOneof("event") for event in events]
    assert kinds[0] == "classified"
    assert kinds[-1] == "summary"
    assert {"progress", "heatmap", "model_input"} <= set(kinds)
    assert "failure" not in kinds
    assert all(a.sequence < b.sequence for a, b in pairwise(events))
    assert len({(event.job_id, event.request_id) for event in events}) == 1

    first, summary = events[0].classified, events[-1].summary
    assert first.classification.instance.sop_instance_uid == "1.2.3"
    labels = {target.label for target in first.targets}
    assert [item.method for item in first.items][:2] == ["saliency", "saliency"]
    assert len(first.items) == 2 * len(METHODS)
    assert summary.state == pb.JOB_STATE_DONE
    assert [one.item for one in summary.items] == list(first.items)
    assert all(set(one.delivered) == labels and not one.failure for one in summary.items)
    assert all(one.forward_passes > 0 for one in summary.items)

    finals = [event.heatmap for event in events if event.WhichOneof("event") == "heatmap" and event.heatmap.final]
    assert len(finals) == 2 * len(METHODS) * len(labels)
    versions = {(one.model.name, one.model.version) for one in first.classification.answers}
    for one in finals:
        assert (one.model.name, one.model.version) in versions
        assert array(one.heatmap).shape == (64, 64)
        assert array(one.attribution).shape == (1, 64, 64)
        assert one.intended_use == "Research use only. Not for diagnosis."
        # 120 x 100 pixels on 64 x 64: 1.875 original pixels per input pixel along the longer side.
        assert one.affine.scale_y == pytest.approx(120 / 64)
    inputs = [event.model_input for event in events if event.WhichOneof("event") == "model_input"]
    assert sorted(one.model.name for one in inputs) == ["resnet18", "resnet34"]
    assert all(array(one.input).shape == (1, 64, 64) for one in inputs)


def test_the_explained_output_is_the_one_that_triton_gave(channel: grpc.Channel, png: bytes) -> None:
    for output, field in ((pb.EXPLAINED_OUTPUT_LOGIT, "logits"), (pb.EXPLAINED_OUTPUT_PROBABILITY, "probabilities")):
        targets = pb.TargetSelection(all=pb.AllLabels())
        events = explain(channel, request(png, "saliency", output=output, targets=targets))
        answer = events[0].classified.classification
        labels = [label.label for label in answer.labels]
        given = {one.model.name: getattr(one, field) for one in answer.answers}
        maps = [event.heatmap for event in events if event.WhichOneof("event") == "heatmap"]
        assert len(maps) == 2 * len(labels)
        for one in maps:
            assert one.output == output
            assert one.output_value == pytest.approx(given[one.model.name][labels.index(one.label)], abs=1e-3)


def test_the_first_map_comes_before_a_fifth_of_the_work_is_done(channel: grpc.Channel, png: bytes) -> None:
    for methods in (METHODS, ("occlusion",), ("integrated_gradients",)):
        done, came = 0.0, False
        stub = explanation_pb2_grpc.ExplanationServiceStub(channel)
        stream = stub.Explain(request(png, *methods, partial_heatmaps=True), timeout=50)
        for event in (answer.event for answer in stream):
            if event.WhichOneof("event") == "progress":
                done = event.progress.job_fraction
            elif event.WhichOneof("event") == "heatmap":
                came = True
                break
        stream.cancel()  # the rest of the work is not needed
        assert came, methods
        assert done < 0.2, methods


def test_a_network_outside_the_set_is_explained_by_its_own_labels(channel: grpc.Channel, png: bytes) -> None:
    events = explain(channel, request(png, "saliency", models=["thoracic"]))
    targets = [(one.label, one.reason) for one in events[0].classified.targets]
    assert targets == [("Mass", pb.TARGET_REASON_PREDICTED)]
    maps = [event.heatmap for event in events if event.WhichOneof("event") == "heatmap"]
    assert [(one.model.name, one.label, array(one.heatmap).shape) for one in maps] == [("thoracic", "Mass", (48, 48))]


def test_parameters_are_passed_and_told_with_their_defaults(channel: grpc.Channel, png: bytes) -> None:
    asked = request(png, "occlusion", models=["resnet18"])
    asked.methods[0].parameters.update({"window": 16, "stride": 8})
    heatmap = next(e.heatmap for e in explain(channel, asked) if e.WhichOneof("event") == "heatmap")
    assert heatmap.parameters["window"] == 16
    assert heatmap.parameters["baseline"] == "black"
    assert heatmap.parameters["seed"] == 0


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"methods": [pb.MethodCall(name="tea_leaves")]}, "methods[0].name", "integrated_gradients, "),
        ({"models": ["vgg"]}, "models[0]", "resnet18, resnet34, thoracic"),
        (
            {"targets": pb.TargetSelection(labels=pb.NamedLabels(names=["Lung"]))},
            "targets.labels.names[0]",
            "Pneumonia",
        ),
        ({"request_id": "not-a-uuid"}, "request_id", "UUID"),
    ],
)
def test_an_unknown_name_is_refused_and_those_there_are_are_listed(
    channel: grpc.Channel, png: bytes, change: dict[str, object], field: str, words: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        explain(channel, request(png, **{"methods": [pb.MethodCall(name="saliency")]} | change))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    bad = error_details_pb2.BadRequest()
    assert any(one.Unpack(bad) for one in rpc_status.from_call(caught.value).details)
    assert [one.field for one in bad.field_violations] == [field]
    assert words in bad.field_violations[0].description


def test_methods_are_listed_with_the_schema_of_their_parameters(channel: grpc.Channel) -> None:
    stub = explanation_pb2_grpc.ExplanationServiceStub(channel)
    answer = stub.ListMethods(pb.ListMethodsRequest(), timeout=5)
    methods = {one.name: one for one in answer.methods}
    assert set(METHODS) <= set(methods)
    schema = json.loads(methods["occlusion"].parameters_schema_json)
    assert schema["properties"]["window"]["description"]
    assert methods["integrated_gradients"].completeness == pb.COMPLETENESS_EXACT
    assert {one.distribution for one in answer.methods} == {"radiolucent"}
    assert not answer.broken_plugins
