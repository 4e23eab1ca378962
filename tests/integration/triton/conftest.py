"""Small real model sets and a real Triton."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from radiolucent.handlers.card import InputSpec, Label, ModelCard, Parity, save_card
from radiolucent.handlers.repository import FIVE_NETWORKS, Repository, new_member_version, publish_set
from radiolucent.handlers.repository.checksum import sha256
from radiolucent.server.triton import EmbeddedOptions, TritonOptions, TritonServing

LABELS = (
    Label(name="Pneumonia", threshold=0.5),
    Label(name="Viral Pneumonia", implies="Pneumonia", threshold=0.4),
    Label(name="No Finding", threshold=0.6),
)
SIZES = dict(zip(FIVE_NETWORKS, (32, 32, 48, 48, 40), strict=True))


def _write_onnx(path: Path, version: int, seed: int) -> None:
    """A convolution, a pooling and a linear layer, and the version as every exported graph carries it."""
    random = np.random.default_rng(seed)
    weights = {
        "filters": random.normal(size=(8, 1, 3, 3)).astype(np.float32),
        "matrix": random.normal(size=(len(LABELS), 8)).astype(np.float32) * 4,
        "bias": random.normal(size=len(LABELS)).astype(np.float32),
        "one": np.array([1]),
        "version": np.array([version]),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["INPUT", "filters"], ["maps"], strides=[2, 2]),
            helper.make_node("Relu", ["maps"], ["positive"]),
            helper.make_node("GlobalAveragePool", ["positive"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("Gemm", ["flat", "matrix", "bias"], ["LOGITS"], transB=1),
            helper.make_node("Shape", ["INPUT"], ["batch"], start=0, end=1),
            helper.make_node("Concat", ["batch", "one"], ["shape"], axis=0),
            helper.make_node("Expand", ["version", "shape"], ["VERSION"]),
        ],
        "small",
        [helper.make_tensor_value_info("INPUT", TensorProto.FLOAT, ["B", 1, "H", "W"])],
        [
            helper.make_tensor_value_info("LOGITS", TensorProto.FLOAT, ["B", len(LABELS)]),
            helper.make_tensor_value_info("VERSION", TensorProto.INT64, ["B", 1]),
        ],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def _write_torchscript(path: Path, seed: int) -> None:
    torch.manual_seed(seed)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    ).append(torch.nn.Linear(8, len(LABELS)))
    torch.jit.save(torch.jit.trace(network.eval(), torch.zeros(2, 1, 32, 32)), str(path))


WriteNetwork = Callable[..., int]
WriteSet = Callable[..., int]


@pytest.fixture(scope="session")
def write_network() -> WriteNetwork:
    """Write the next version of a network: ``write_network(repository, name, seed=, size=, torchscript=, says=)``."""

    def write(
        repository: Repository,
        name: str,
        *,
        seed: int = 0,
        size: int = 32,
        torchscript: bool = False,
        says: int | None = None,
    ) -> int:
        file = "model.pt" if torchscript else "model.onnx"
        with new_member_version(repository, name) as (folder, version):
            if torchscript:
                _write_torchscript(folder / file, seed)
            else:
                _write_onnx(folder / file, says or version, seed)
            card = ModelCard(
                name=name,
                title=name,
                version=version,
                architecture="small",
                source="imported",
                labels=LABELS,
                input=InputSpec(size=size, mean=0.4, std=0.25),
                parity=Parity(),
                files={file: sha256(folder / file)},
                created=datetime.now(timezone.utc),
            )
            save_card(card, folder / "card.json")
        return version

    return write


@pytest.fixture(scope="session")
def write_set(write_network: WriteNetwork) -> WriteSet:
    """Write five networks and publish them: ``write_set(repository, seed=, sizes=, torchscript=, keep=)``."""

    def write(
        repository: Repository,
        *,
        seed: int = 0,
        sizes: dict[str, int] | None = None,
        torchscript: tuple[str, ...] = (),
        keep: dict[str, int] | None = None,
    ) -> int:
        members = {
            name: (keep or {}).get(name)
            or write_network(repository, name, seed=seed * 100 + index, size=size, torchscript=name in torchscript)
            for index, (name, size) in enumerate((sizes or SIZES).items())
        }
        return publish_set(repository, members).version

    return write


@pytest.fixture
def repository(tmp_path: Path, write_set: WriteSet) -> Repository:
    """A repository with one model set."""
    repository = Repository(tmp_path / "models")
    write_set(repository, seed=1)
    return repository


@pytest.fixture
async def serving(repository: Repository) -> AsyncIterator[TritonServing]:
    """A Triton of the test's own, which it may kill, on `repository`; looks for new sets only when told."""
    options = TritonOptions(repository.root, embedded=EmbeddedOptions(drain_seconds=3), refresh_seconds=3600)
    async with TritonServing(options) as serving:
        yield serving


@pytest.fixture(scope="session")
def xray() -> Callable[..., bytes]:
    """Encode a made-up X-ray: ``xray(height=, width=, seed=)``."""

    def encode(height: int = 60, width: int = 50, seed: int = 0) -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()

    return encode
