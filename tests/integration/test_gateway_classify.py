from __future__ import annotations

import json
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from radiolucent.protos.radiolucent.v1 import (
    classification_pb2,
    classification_pb2_grpc,
    image_pb2,
    model_pb2,
    model_pb2_grpc,
    server_pb2,
    server_pb2_grpc,
)


def classify(channel: grpc.Channel, xray: image_pb2.XRay) -> classification_pb2.Classification:
    stub = classification_pb2_grpc.ClassificationServiceStub(channel)
    return stub.Classify(classification_pb2.ClassifyRequest(xray=xray), timeout=20).classification


def test_an_answer_has_the_votes_of_every_network_and_the_set_that_gave_it(channel: grpc.Channel, png: bytes) -> None:
    instance = image_pb2.InstanceReference(sop_instance_uid="1.2.3", frame_number=1)
    answer = classify(channel, image_pb2.XRay(file=png, instance=instance))
    assert [(one.model.name, one.model.version) for one in answer.answers] == [("resnet18", 1), ("resnet34", 1)]
    assert [(one.name, one.version) for one in answer.model_set.members] == [("resnet18", 1), ("resnet34", 1)]
    assert answer.model_set.version == 1
    scores = np.array([one.probabilities for one in answer.answers])
    logits = np.array([one.logits for one in answer.answers])
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits)), atol=1e-6)
    votes = np.array([one.votes for one in answer.answers])
    assert [label.votes for label in answer.labels] == votes.sum(axis=0).tolist()
    np.testing.assert_allclose([label.mean_probability for label in answer.labels], scores.mean(axis=0), atol=1e-6)
    assert [label.label for label in answer.labels if label.majority] == list(answer.majority)
    assert (answer.image_size.height, answer.image_size.width) == (120, 100)
    assert answer.instance == instance
    assert answer.intended_use == "Research use only. Not for diagnosis."


def test_an_xray_unlike_the_training_data_is_warned_of_and_the_usual_one_is_not(
    channel: grpc.Channel, png: bytes, inverted_png: bytes
) -> None:
    usual, inverted = (classify(channel, image_pb2.XRay(file=file)).likeness for file in (png, inverted_png))
    assert not usual.warns
    assert usual.unlikeness <= usual.threshold
    assert usual.share > 0.05
    assert usual.text.startswith("Like the X-rays that the networks were trained on: of 50 that were held out")
    assert inverted.warns
    assert inverted.unlikeness > inverted.threshold == usual.threshold
    assert inverted.share == pytest.approx(1 / 51)
    assert inverted.text.startswith("Unlike the X-rays that the networks were trained on: of 50 that were held out")


def test_a_dicom_is_classified(channel: grpc.Channel, shared: Path) -> None:
    files = sorted((shared / "data" / "originals").rglob("*.dcm"))
    assert files
    answer = classify(channel, image_pb2.XRay(file=files[0].read_bytes()))
    assert answer.image_size.height > 100


def test_models_are_listed_with_what_can_be_done_with_them(channel: grpc.Channel) -> None:
    stub = model_pb2_grpc.ModelServiceStub(channel)
    end = time.monotonic() + 60
    answer = stub.ListModels(model_pb2.ListModelsRequest(), timeout=5)
    while not all(one.inspected for one in answer.models) and time.monotonic() < end:
        time.sleep(0.2)
        answer = stub.ListModels(model_pb2.ListModelsRequest(), timeout=5)
    assert [(one.model.name, one.votes) for one in answer.models] == [
        ("resnet18", True),
        ("resnet34", True),
        ("thoracic", False),
    ]
    assert answer.serving.version == 1
    for one in answer.models:
        assert {
            model_pb2.MODEL_ABILITY_FORWARD,
            model_pb2.MODEL_ABILITY_GRADIENT,
            model_pb2.MODEL_ABILITY_MODULES,
        } == set(one.abilities)
        assert one.limitation == ""
    card = stub.GetModel(model_pb2.GetModelRequest(name="thoracic"), timeout=5)
    assert '"name": "thoracic"' in card.card_json
    assert [label.name for label in card.model.labels] == ["Mass", "Effusion"]


def test_the_vote_has_a_card_and_nothing_hides_that_it_was_not_evaluated(channel: grpc.Channel, png: bytes) -> None:
    stub = model_pb2_grpc.ModelServiceStub(channel)
    answer = stub.GetModel(model_pb2.GetModelRequest(name="chest_xray"), timeout=5)
    assert json.loads(answer.card_json)["members"] == {"resnet18": 1, "resnet34": 1}
    assert answer.model.verdict == "shortcut not excluded: not evaluated"
    assert classify(channel, image_pb2.XRay(file=png)).model_set.verdict == answer.model.verdict


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [("vgg", 0, "resnet18, resnet34, thoracic"), ("resnet18", 9, "there are: 1")],
)
def test_an_unknown_model_is_not_found_and_those_there_are_are_listed(
    channel: grpc.Channel, name: str, version: int, words: str
) -> None:
    stub = model_pb2_grpc.ModelServiceStub(channel)
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetModel(model_pb2.GetModelRequest(name=name, version=version), timeout=5)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert words in caught.value.details()


def test_the_server_says_its_versions_and_limits(channel: grpc.Channel) -> None:
    stub = server_pb2_grpc.ServerServiceStub(channel)
    info = stub.GetServerInfo(server_pb2.GetServerInfoRequest(), timeout=5)
    assert info.max_upload_bytes == 32 * 2**20
    assert info.explanation_workers == 2
    assert info.heartbeat_interval.ToMilliseconds() == 300
    assert info.component_versions["triton"].startswith("2.")
    assert "torch" in info.component_versions


def test_a_file_over_the_limit_is_refused(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        classify(channel, image_pb2.XRay(file=bytes(32 * 2**20 + 1)))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "limit is 33554432" in caught.value.details()


def test_a_long_identifier_is_refused_and_not_quoted(channel: grpc.Channel, png: bytes) -> None:
    instance = image_pb2.InstanceReference(study_instance_uid="7" * 65)
    with pytest.raises(grpc.RpcError) as caught:
        classify(channel, image_pb2.XRay(file=png, instance=instance))
    assert "777" not in caught.value.details()
    bad = error_details_pb2.BadRequest()
    assert any(one.Unpack(bad) for one in rpc_status.from_call(caught.value).details)
    assert [one.field for one in bad.field_violations] == ["xray.instance.study_instance_uid"]
