from __future__ import annotations

from pathlib import Path

import pytest
import torch
from radiolucent.handlers import RepositoryError
from radiolucent.handlers.repository.checksum import sha256
from radiolucent.handlers.torchscript import load_torchscript


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Dropout(0.5))
    path = tmp_path / "model.pt"
    torch.jit.trace(network.eval(), torch.zeros(1, 1, 8, 8)).save(str(path))
    return path


def test_a_copy_is_loaded_for_explaining(weights: Path) -> None:
    module = load_torchscript(weights, sha256(weights))
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())
    image = torch.rand(2, 1, 8, 8, requires_grad=True)
    module(image).sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


def test_an_altered_copy_is_not_even_opened(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checksum = sha256(weights)
    weights.write_bytes(weights.read_bytes() + b"x")
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(RepositoryError, match="checksum differs"):
        load_torchscript(weights, checksum)


def test_a_missing_copy_is_named(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match=r"model\.pt: cannot be read"):
        load_torchscript(tmp_path / "model.pt", "0" * 64)


def test_a_file_that_is_no_module_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"no module")
    with pytest.raises(RepositoryError, match="not a TorchScript module"):
        load_torchscript(path, sha256(path))
