from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import json_format, text_format
from radiolucent.handlers import InputSpec
from radiolucent.handlers.repository import (
    Member,
    ModelConfig,
    committed_configs,
    ensemble_config,
    member_config,
    preprocess_config,
    to_json,
    to_pbtxt,
    vote_config,
    write_configs,
)
from tritonclient.grpc import model_config_pb2

ROOT = Path(__file__).resolve().parents[2] / "model_repository"
MIXED = (
    Member("resnet18", 4, spec=InputSpec(size=96)),
    Member("mine", 2, "pytorch", InputSpec(size=224, channels=3)),
)
CONFIGS = {
    **committed_configs(),
    "onnx": member_config(MIXED[0], versions=(3, 4), threads=2),
    "pytorch": member_config(MIXED[1], versions=(2,)),
    "preprocess of a set": preprocess_config(MIXED, versions=(6, 7)),
    "vote of a set": vote_config(MIXED, versions=(6, 7), optional={"mine"}),
    "set": ensemble_config(MIXED, set_version=7),
}


@pytest.mark.parametrize("name", sorted(committed_configs()))
def test_the_committed_configuration_is_current(name: str) -> None:
    assert (ROOT / name / "config.pbtxt").read_text() == to_pbtxt(committed_configs()[name])


def test_nothing_else_is_committed() -> None:
    assert {path.parent.name for path in ROOT.glob("*/config.pbtxt")} == set(committed_configs())


@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_text_and_json_say_the_same_to_triton(config: ModelConfig) -> None:
    text = text_format.Parse(to_pbtxt(config), model_config_pb2.ModelConfig())
    assert json_format.Parse(to_json(config), model_config_pb2.ModelConfig()) == text
    assert text.name == config.name


@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_every_model_batches_and_runs_on_the_cpu(config: ModelConfig) -> None:
    message = text_format.Parse(to_pbtxt(config), model_config_pb2.ModelConfig())
    assert message.max_batch_size == 8
    if config.steps:
        assert message.platform == "ensemble"
    else:
        assert message.HasField("dynamic_batching")
        assert [(group.count, group.kind) for group in message.instance_group] == [
            (1, model_config_pb2.ModelInstanceGroup.KIND_CPU)
        ]


def test_a_network_uses_one_thread_that_does_not_spin() -> None:
    parameters = member_config(Member("resnet18")).parameters
    assert parameters["intra_op_thread_count"] == "1"
    assert parameters["session.intra_op.allow_spinning"] == "0"


def test_a_network_of_known_size_is_warmed_up() -> None:
    warmup = text_format.Parse(to_pbtxt(CONFIGS["pytorch"]), model_config_pb2.ModelConfig()).model_warmup
    assert [tuple(tensor.dims) for one in warmup for tensor in one.inputs.values()] == [(3, 224, 224)]
    assert warmup[0].batch_size == 1
    assert not member_config(Member("resnet18")).warmup


@pytest.mark.parametrize("config", [CONFIGS["set"], committed_configs()["chest_xray"]], ids=["pinned", "latest"])
def test_every_tensor_of_the_ensemble_has_one_source_and_is_used(config: ModelConfig) -> None:
    produced = ["IMAGE", *(tensor for step in config.steps for tensor in step.outputs.values())]
    consumed = {tensor for step in config.steps for tensor in step.inputs.values()}
    assert len(produced) == len(set(produced))
    assert consumed <= set(produced)
    assert set(produced) - consumed == {tensor.name for tensor in config.outputs}


def test_a_set_is_pinned_to_its_versions() -> None:
    versions = {step.model: step.version for step in CONFIGS["set"].steps}
    assert versions == {"preprocess": 7, "resnet18": 4, "mine": 2, "vote": 7}
    assert CONFIGS["set"].versions == (7,)
    assert {step.version for step in committed_configs()["chest_xray"].steps} == {-1}


def test_steps_name_tensors_that_their_models_have() -> None:
    models = {
        config.name: config
        for config in (*(member_config(member) for member in MIXED), preprocess_config(MIXED), vote_config(MIXED))
    }
    for step in CONFIGS["set"].steps:
        model = models[step.model]
        assert set(step.inputs) == {tensor.name for tensor in model.inputs}
        assert set(step.outputs) == {tensor.name for tensor in model.outputs}


def test_a_new_repository_gets_the_configurations_of_its_networks(tmp_path: Path) -> None:
    write_configs(tmp_path, MIXED)
    assert {path.parent.name for path in tmp_path.glob("*/config.pbtxt")} == {
        "chest_xray",
        "mine",
        "preprocess",
        "resnet18",
        "vote",
    }
    text = (tmp_path / "chest_xray/config.pbtxt").read_text()
    assert "model_version: -1" in text
    assert "model_version: 4" not in text
