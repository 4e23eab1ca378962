"""An author runs a method in a notebook, without a server."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from radiolucent.handlers import InputSpec, Label, ModelCard, RepositoryError, save_card
from radiolucent.handlers.brightness import BrightnessStatistics
from radiolucent.handlers.card import Parity
from radiolucent.handlers.repository.checksum import sha256
from radiolucent.plugins import InvalidParameters, InvalidResult, NotApplicable, Output, UnknownMethod
from radiolucent.plugins.methods import Saliency
from radiolucent.plugins.runner import explain
from torch import nn

SPEC = InputSpec(size=32, mean=0.5, std=0.25)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 30 * 30, 3))


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).random((60, 40)).astype(np.float32)


@pytest.fixture
def version(tmp_path: Path, network: nn.Module) -> Path:
    """A version folder as the model repository has them."""
    torch.jit.trace(network.eval(), torch.rand(2, 1, 32, 32)).save(str(tmp_path / "model.pt"))
    card = ModelCard(
        name="own",
        title="Own",
        version=1,
        architecture="own",
        source="imported",
        labels=(Label(name="Mass"), Label(name="Nodule"), Label(name="Effusion")),
        input=SPEC,
        parity=Parity(),
        files={"model.pt": sha256(tmp_path / "model.pt")},
        created=datetime(2024, 5, 1, tzinfo=timezone.utc),
    )
    save_card(card, tmp_path / "card.json")
    return tmp_path


def test_a_module_is_explained_in_evaluation_mode_and_left_as_it_was(network: nn.Module, pixels: np.ndarray) -> None:
    network.train()
    explanation = explain(pixels, network, "saliency", targets=2, spec=SPEC)
    assert network.training
    assert all(weight.requires_grad for weight in network.parameters())
    prepared = explanation.image.clone().requires_grad_()
    network.eval()(prepared)[0, 2].backward()
    torch.testing.assert_close(explanation[2].values, prepared.grad[0].abs())


def test_a_card_says_labels_and_preprocessing(version: Path, pixels: np.ndarray) -> None:
    explanation = explain(pixels, version, "saliency", targets=["Effusion", "Mass"])
    assert [(one.target, one.label) for one in explanation.maps] == [(2, "Effusion"), (0, "Mass")]
    assert torch.equal(explanation["Mass"].values, explanation[0].values)
    assert explanation.image.shape == (1, 1, 32, 32)
    assert float(explanation.image.min()) == SPEC.black
    with pytest.raises(KeyError):
        explanation["Nodule"]


def test_a_card_says_what_the_training_films_were_like(version: Path, pixels: np.ndarray) -> None:
    with pytest.raises(NotApplicable, match="no statistics of its training films"):
        explain(pixels, version, "occlusion", parameters={"baseline": "training_mean"})
    path = version / "card.json"
    statistics = BrightnessStatistics(films=20, mean=((0.4,) * 16,) * 16, std=((0.1,) * 16,) * 16)
    card = ModelCard.model_validate_json(path.read_bytes()).model_copy(update={"brightness": statistics})
    path.write_text(card.to_json())
    explanation = explain(pixels, version, "occlusion", targets=0, parameters={"baseline": "training_mean"})
    assert explanation[0].values.abs().max() > 0


def test_file_array_and_tensor_of_one_xray_give_one_map(version: Path, network: nn.Module, tmp_path: Path) -> None:
    grey = (np.random.default_rng(1).random((50, 50)) * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG")
    (tmp_path / "xray.png").write_bytes(file.getvalue())
    images = [tmp_path / "xray.png", str(tmp_path / "xray.png"), file.getvalue(), grey, grey.astype(float) / 255]
    explanations = [explain(image, version / "model.pt", Saliency(), targets=1) for image in images]
    explanations.append(explain(explanations[0].image, network.eval(), "saliency", targets=1, spec=SPEC))
    for one in explanations[1:]:
        torch.testing.assert_close(one[1].values, explanations[0][1].values, rtol=1e-4, atol=1e-6)


def test_progress_and_partial_maps_come_while_it_runs(version: Path, pixels: np.ndarray) -> None:
    reports: list[tuple[int, int]] = []
    fractions: list[float] = []
    explanation = explain(
        pixels,
        version,
        "occlusion",
        targets="Mass",
        parameters={"window": 0.25},
        progress=lambda done, total: reports.append((done, total)),
        on_partial=lambda partial: fractions.append(partial.fraction),
    )
    assert reports[-1] == (explanation.cost, explanation.cost)
    assert explanation.forward_passes == explanation.cost
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < fractions[-1] < 1


def test_who_names_no_target_gets_the_highest_output(version: Path, pixels: np.ndarray) -> None:
    explanation = explain(pixels, version, "saliency", output=Output.PROBABILITY)
    with torch.no_grad():
        logits = torch.jit.load(str(version / "model.pt"))(explanation.image)[0]
    assert explanation.maps[0].target == int(logits.argmax())
    assert explanation.maps[0].output_value == pytest.approx(float(logits.max().sigmoid()), abs=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"method": "salience"}, UnknownMethod, "unknown method 'salience'"),
        ({"parameters": {"window": 1}}, InvalidParameters, "window"),
        ({"targets": 3}, ValueError, "outputs are 0 to 2"),
        ({"targets": "Fracture"}, ValueError, "unknown label 'Fracture'; there are: Mass, Nodule, Effusion"),
        ({"targets": []}, ValueError, "at least one target"),
        ({"image": np.zeros((3, 4, 5))}, ValueError, r"shape \[height, width\], not \[3, 4, 5\]"),
        ({"image": np.full((30, 30), 2.0)}, ValueError, r"brightness in \[0, 1\]"),
        ({"image": np.zeros((30, 30), np.int16)}, ValueError, "unsigned integers, not int16"),
        ({"image": torch.zeros(32, 32)}, ValueError, r"\[C, H, W\]"),
    ],
)
def test_what_does_not_fit_is_named(
    version: Path, pixels: np.ndarray, change: dict[str, object], error: type[Exception], text: str
) -> None:
    arguments: dict[str, object] = {"image": pixels, "network": version, "method": "saliency"} | change
    with pytest.raises(error, match=text):
        explain(**arguments)  # type: ignore[arg-type]


def test_a_network_without_a_card_needs_a_spec(network: nn.Module, pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="say what it expects, as spec=InputSpec"):
        explain(pixels, network, "saliency")


def test_a_file_that_its_card_does_not_describe_is_refused(version: Path, pixels: np.ndarray) -> None:
    with (version / "model.pt").open("ab") as file:
        file.write(b"x")
    with pytest.raises(RepositoryError, match="checksum differs"):
        explain(pixels, version, "saliency")


def test_a_method_of_ones_own_is_held_to_the_contract(version: Path, pixels: np.ndarray) -> None:
    class Half(Saliency):
        def explain(self, *arguments: object) -> object:  # type: ignore[override]
            for one in super().explain(*arguments):  # type: ignore[arg-type]
                yield type(one)(one.target, one.values[:, :16], 1.0, True)

    with pytest.raises(InvalidResult, match="image's shape"):
        explain(pixels, version, Half())


def test_runner_and_kit_need_neither_server_nor_grpc() -> None:
    code = "import sys, radiolucent.plugins.runner, radiolucent.plugins.conformance; print(*sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not {"grpc", "ray", "tritonclient", "radiolucent.server"} & set(modules.stdout.split())


@pytest.fixture
def dicom() -> Callable[[np.ndarray], bytes]:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    def write(grey: np.ndarray) -> bytes:
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
        meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID = meta.MediaStorageSOPClassUID
        dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        dataset.Rows, dataset.Columns = grey.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        dataset.WindowCenter, dataset.WindowWidth = 128, 256
        dataset.PixelData = grey.tobytes()
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()

    return write


def test_a_dicom_is_decoded_as_the_server_does(version: Path, dicom: Callable[[np.ndarray], bytes]) -> None:
    grey = np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)
    from_dicom = explain(dicom(grey), version, "saliency", targets=0)
    torch.testing.assert_close(from_dicom.image, explain(grey, version, "saliency", targets=0).image, atol=0.03, rtol=0)
