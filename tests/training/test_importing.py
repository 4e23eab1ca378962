"""A user's own network goes through the repository unchanged, and nothing else gets in."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import timm
import torch
from radiolucent.datasets import make_labels
from radiolucent.handlers.card import InputSpec
from radiolucent.handlers.errors import RepositoryError
from radiolucent.handlers.repository import Repository
from radiolucent.handlers.torchscript import load_torchscript
from radiolucent.training.errors import ImportNetworkError
from radiolucent.training.importing import import_timm, import_torchscript
from radiolucent.training.parity import example

LABELS = make_labels(("Pneumonia", "No Finding"))
SPEC = InputSpec(size=48, channels=3, mean=0.5, std=0.25)


class Small(torch.nn.Module):
    def __init__(self, labels: int = 2) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 5)
        self.head = torch.nn.Linear(4, labels)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(image)).mean((2, 3)))


class Unconvertible(Small):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        # A loop over data, and a function that ONNX does not have.
        total = torch.zeros(image.shape[0], 2)
        for row in torch.unbind(image, dim=2):
            total = total + torch.linalg.matrix_exp(row[:, :2, :2]).sum(1)
        return total


def save(module: torch.nn.Module, path: Path) -> Path:
    torch.jit.save(torch.jit.script(module.eval()), str(path))
    return path


def test_an_imported_torchscript_module_answers_as_before_in_both_forms(tmp_path: Path) -> None:
    module = Small()
    repository = Repository(tmp_path / "repository")
    file = save(module, tmp_path / "own.pt")
    card = import_torchscript(repository, "own", file, labels=LABELS, spec=SPEC, title="Our own")
    assert (card.source, card.version, card.title, card.training) == ("imported", 1, "Our own", None)
    assert repository.card("own", 1) == card
    image = example(SPEC, 3)
    with torch.no_grad():
        expected = module(image).numpy()
        copy = load_torchscript(tmp_path / "repository/own/1/model.pt", card.files["model.pt"])
        np.testing.assert_allclose(copy(image).numpy(), expected, atol=1e-6)
    session = onnxruntime.InferenceSession(str(tmp_path / "repository/own/1/model.onnx"))
    logits, versions = session.run(["LOGITS", "VERSION"], {"INPUT": image.numpy()})
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    assert versions.tolist() == [[1]] * 3
    assert 'backend: "onnxruntime"' in (tmp_path / "repository/own/config.pbtxt").read_text()
    assert repository.set_versions() == ()


def test_a_module_that_onnx_cannot_express_is_served_as_torchscript(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    card = import_torchscript(repository, "own", save(Unconvertible(), tmp_path / "own.pt"), labels=LABELS, spec=SPEC)
    assert list(card.files) == ["model.pt"]
    assert card.backend == "pytorch"
    assert card.parity.onnx_max_abs is None
    assert 'backend: "pytorch"' in (tmp_path / "repository/own/config.pbtxt").read_text()


def test_a_timm_network_is_imported_from_its_state_dict(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", num_classes=2, in_chans=1).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    repository = Repository(tmp_path / "repository")
    spec = InputSpec(size=64)
    card = import_timm(repository, "own", "resnet10t", tmp_path / "weights.pth", labels=LABELS, spec=spec)
    assert card.architecture == "resnet10t"
    image = example(spec, 2)
    with torch.no_grad():
        session = onnxruntime.InferenceSession(str(tmp_path / "repository/own/1/model.onnx"))
        expected = network(image).numpy()
    np.testing.assert_allclose(session.run(["LOGITS"], {"INPUT": image.numpy()})[0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("labels", "message"),
    [(make_labels(("a", "b", "c")), r"answers \(1, 2\) where 3 labels"), (make_labels(("a",)), "where 1 labels")],
)
def test_labels_must_match_the_logits(tmp_path: Path, labels: tuple[object, ...], message: str) -> None:
    repository = Repository(tmp_path / "repository")
    with pytest.raises(ImportNetworkError, match=message):
        import_torchscript(repository, "own", save(Small(), tmp_path / "own.pt"), labels=labels, spec=SPEC)  # type: ignore[arg-type]
    assert not (tmp_path / "repository").exists()


def test_a_network_that_wants_other_channels_is_refused(tmp_path: Path) -> None:
    file = save(Small(), tmp_path / "own.pt")
    with pytest.raises(ImportNetworkError, match=r"does not run on \[1, 1, 48, 48\]"):
        import_torchscript(Repository(tmp_path / "r"), "own", file, labels=LABELS, spec=InputSpec(size=48))


def test_weights_that_would_run_code_are_not_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "trap.pth").write_bytes(pickle.dumps({"conv1.weight": Trap()}, protocol=2))
    torch.save({"conv1.weight": Trap()}, tmp_path / "trap2.pth")
    for name in ("trap.pth", "trap2.pth"):
        with pytest.raises(ImportNetworkError, match="cannot be read as a state dict"):
            import_timm(Repository(tmp_path / "r"), "own", "resnet18", tmp_path / name, labels=LABELS, spec=SPEC)
    assert not (tmp_path / "sprung").exists()


def test_names_of_the_ensemble_are_refused(tmp_path: Path) -> None:
    file = save(Small(), tmp_path / "own.pt")
    with pytest.raises(ImportNetworkError, match="choose another name"):
        import_torchscript(Repository(tmp_path / "r"), "resnet18", file, labels=LABELS, spec=SPEC)
    with pytest.raises(RepositoryError, match="part of the ensemble"):
        import_torchscript(Repository(tmp_path / "r"), "vote", file, labels=LABELS, spec=SPEC)


def test_an_unknown_architecture_is_answered_with_near_ones(tmp_path: Path) -> None:
    with pytest.raises(ImportNetworkError, match=r"timm has no 'resnet1'.*resnet18"):
        import_timm(Repository(tmp_path), "own", "resnet1", tmp_path / "w.pth", labels=LABELS, spec=SPEC)
