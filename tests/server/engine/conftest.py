"""A small network on disk, an X-ray in a file, and methods that do as they are told."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from radiolucent.handlers import InputSpec
from radiolucent.plugins import Attribution, Completeness, Method, Need, Parameters, Registry, load_registry
from radiolucent.plugins.registry import Origin
from radiolucent.server.engine.explainer import Explainer
from radiolucent.server.engine.task import ItemTask, ModelRef
from torch import nn

SPEC = InputSpec(size=24)


class NoParameters(Parameters):
    pass


class Scripted(Method[NoParameters]):
    """A method whose body is a test's."""

    name = "scripted"
    title = "Scripted"
    description = "As the test says."
    reference = "None"
    parameters = NoParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD})
    signed = True
    completeness = Completeness.NONE

    def __init__(self, body: Callable[..., Iterator[Attribution]]) -> None:
        self._body = body

    def explain(self, model: Any, image: Any, targets: Any, params: Any, job: Any) -> Iterator[Attribution]:  # noqa: ANN401
        return self._body(model, image, targets, job)

    def cost(self, params: NoParameters, shape: object, targets: int) -> int:
        return 1


@pytest.fixture
def png() -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 48), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def save_network(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ModelRef]:
    def save(name: str, version: int = 1) -> ModelRef:
        torch.manual_seed(version)
        network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, 3))
        path = tmp_path_factory.mktemp(name) / "model.pt"
        torch.jit.trace(network.eval(), torch.rand(2, 1, SPEC.size, SPEC.size)).save(str(path))
        return ModelRef(name, version, path, hashlib.sha256(path.read_bytes()).hexdigest(), SPEC)

    return save


@pytest.fixture(scope="session")
def network_file(save_network: Callable[..., ModelRef]) -> ModelRef:
    return save_network("resnet18")


@pytest.fixture
def make_task(png: bytes, network_file: ModelRef) -> Callable[..., ItemTask]:
    task = ItemTask("job", "item", png, network_file, "occlusion", {}, (0, 2), partial=True)

    def make(**changes: object) -> ItemTask:
        return replace(task, **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def scripted() -> Callable[..., Explainer]:
    """An explainer of the built-in methods and the test's, which is a stranger's."""
    ours = load_registry(())

    def make(body: Callable[..., Iterator[Attribution]]) -> Explainer:
        methods = {**ours.methods, "scripted": Scripted(body)}
        return Explainer(Registry(methods, {**ours.origins, "scripted": Origin("test", "1")}, ()))

    return make
