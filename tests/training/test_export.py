"""Export proves before it writes, and what it has written is what Triton and the gateway read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from radiolucent.datasets import make_labels
from radiolucent.handlers import Calibration, EnsembleFacts
from radiolucent.handlers.brightness import BrightnessStatistics
from radiolucent.handlers.card import DataRecord, InputSpec, ThresholdRecord, TrainingRecord
from radiolucent.handlers.repository import Repository, load_set
from radiolucent.handlers.torchscript import load_torchscript
from radiolucent.training.batch_norm import estimate_batch_norm
from radiolucent.training.errors import ExportError
from radiolucent.training.export import Exportable, export_set
from radiolucent.training.networks import build_network
from radiolucent.training.parity import example

pytestmark = pytest.mark.usefixtures("thin")
LABELS = make_labels(("COVID-19", "Pneumonia", "No Finding"))
SPEC = InputSpec(size=64)
BRIGHTNESS = BrightnessStatistics(films=20, mean=((0.4,) * 16,) * 16, std=((0.2,) * 16,) * 16)


def exportable(name: str = "resnet18") -> Exportable:
    torch.manual_seed(0)
    network = build_network(name, len(LABELS))
    estimate_batch_norm(network, [example(SPEC, 8)])
    data = DataRecord(name="nothing", checksum="0" * 64)
    record = TrainingRecord(preset="none", data=data, epochs=0, steps=0, seed=0, initial_weights="random", seconds=0)
    return Exportable(name, name, network, LABELS, SPEC, record, brightness=BRIGHTNESS)


class Fickle(torch.nn.Module):
    """A network that its trace cannot follow: what it does depends on the batch size."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(image) + (1.0 if image.shape[0] == 1 else 0.0)


def test_a_version_holds_two_forms_of_one_network_and_its_card(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    item = exportable()
    model_set = export_set(repository, [item])
    assert (model_set.version, dict(model_set.members)) == (1, {"resnet18": 1})
    folder = tmp_path / "resnet18" / "1"
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.onnx", "model.pt"]
    card = repository.card("resnet18", 1)
    assert card.brightness == BRIGHTNESS
    image = example(SPEC, 5)
    with torch.no_grad():
        eager = item.network(image).numpy()
        copy = load_torchscript(folder / "model.pt", card.files["model.pt"])(image).numpy()
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    assert [value.name for value in session.get_inputs()] == ["INPUT"]
    assert {value.name: value.shape[1:] for value in session.get_outputs()} == {"LOGITS": [3], "VERSION": [1]}
    logits, versions = session.run(["LOGITS", "VERSION"], {"INPUT": image.numpy()})
    np.testing.assert_allclose(copy, eager, atol=1e-4)
    np.testing.assert_allclose(logits, eager, atol=1e-4)
    assert (versions.dtype, versions.tolist()) == (np.int64, [[1]] * 5)
    assert max(card.parity.onnx_max_abs or 0, card.parity.torchscript_max_abs or 0) < 1e-4


def test_the_graph_takes_other_sizes_than_its_own(tmp_path: Path) -> None:
    item = exportable()
    export_set(Repository(tmp_path), [item])
    session = onnxruntime.InferenceSession(str(tmp_path / "resnet18/1/model.onnx"))
    image = torch.rand(2, 1, 96, 80)
    with torch.no_grad():
        expected = item.network(image).numpy()
    np.testing.assert_allclose(session.run(["LOGITS"], {"INPUT": image.numpy()})[0], expected, atol=1e-4)


def test_exporting_twice_makes_a_second_version_that_says_so(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    export_set(repository, [exportable()])
    before = (tmp_path / "resnet18/1/model.onnx").read_bytes()
    assert dict(export_set(repository, [exportable()]).members) == {"resnet18": 2}
    assert (tmp_path / "resnet18/1/model.onnx").read_bytes() == before
    assert repository.set_versions() == (1, 2)
    session = onnxruntime.InferenceSession(str(tmp_path / "resnet18/2/model.onnx"))
    assert session.run(["VERSION"], {"INPUT": example(SPEC, 1).numpy()})[0].tolist() == [[2]]


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_one_unfaithful_network_keeps_the_whole_set_from_being_written(tmp_path: Path) -> None:
    good = exportable()
    bad = replace(exportable("resnet34"), network=Fickle(exportable("resnet34").network))
    with pytest.raises(ExportError, match=r"resnet34.*batch 1.*nothing was written"):
        export_set(Repository(tmp_path), [good, bad])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert Repository(tmp_path).members() == ()


def test_an_altered_graph_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from radiolucent.training import export as module

    def write_another(traced: torch.jit.ScriptModule, spec: InputSpec, version: int, path: Path) -> None:
        torch.manual_seed(1)
        other = build_network("resnet18", len(LABELS)).eval()
        write(module.trace_network(other, spec), spec, version, path)

    write = module.write_onnx
    monkeypatch.setattr(module, "write_onnx", write_another)
    with pytest.raises(ExportError, match="ONNX"):
        export_set(Repository(tmp_path), [exportable()])
    assert not list(tmp_path.rglob("model.*"))


def test_networks_other_than_the_five_get_an_ensemble_of_their_own(tmp_path: Path) -> None:
    export_set(Repository(tmp_path), [exportable()])
    config = (tmp_path / "chest_xray/config.pbtxt").read_text()
    assert "resnet18" in config
    assert "densenet161" not in config


def test_what_is_known_of_a_network_and_of_the_vote_goes_into_the_cards(tmp_path: Path) -> None:
    calibration = Calibration(method="temperature", scale=(2.0,) * 3, offset=(0.0,) * 3)
    records = tuple(ThresholdRecord(label=label.name, value=0.5, chosen_by="preset") for label in LABELS)
    item = replace(exportable(), calibration=calibration, thresholds=records)
    export_set(Repository(tmp_path), [item], facts=EnsembleFacts(thresholds=records, metrics={"micro_f1": 0.9}))
    loaded = load_set(Repository(tmp_path), 1)
    card = loaded.cards["resnet18"]
    assert (card.calibration, card.thresholds) == (calibration, records)
    assert [label.code.value for label in card.labels if label.code] == ["840539006", "233604007", "281900007"]
    assert [label.code for label in loaded.card.labels] == [label.code for label in card.labels]
    assert loaded.card.thresholds == records
    assert loaded.card.metrics == {"micro_f1": 0.9}
    assert loaded.card.data == item.training.data
    assert card.verdict == loaded.card.verdict == "shortcut not excluded: not evaluated"
