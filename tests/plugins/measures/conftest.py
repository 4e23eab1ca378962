"""Subjects of measures: small networks, and maps of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType
from typing import Any

import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.handlers.lifting import lift
from radiolucent.plugins import Job, ObservedModel
from radiolucent.plugins.measures import OtherNetwork, Subject, measure_by_name, measure_parameters
from torch import nn

SHAPE = (1, 16, 20)
SPEC = InputSpec(size=16, mean=0.5, std=0.25)


class Linear(nn.Module):
    """Two outputs, each a weighted sum of the pixels; of it the right map is known."""

    def __init__(self, factor: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(7)))
        self.factor = factor
        self.offset = offset

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nchw,lchw->nl", batch, self.weights) * self.factor + self.offset

    def contributions(self, image: torch.Tensor, baseline: torch.Tensor, target: int) -> torch.Tensor:
        return (self.weights[target] * (image - baseline)[0] * self.factor).sum(dim=0).detach()


@pytest.fixture
def linear() -> type[Linear]:
    return Linear


@pytest.fixture
def small_image() -> torch.Tensor:
    return torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(3)) * 4 - 2


@pytest.fixture
def black() -> torch.Tensor:
    return torch.full((1, *SHAPE), (0 - SPEC.mean) / SPEC.std)


@pytest.fixture(scope="session")
def convolutional(traced: Callable[..., Any]) -> torch.nn.Module:
    """A traced network with normalisations whose statistics are not those of a new one."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(6 * 8 * 10, 2),
    )
    for layer in (network[1], network[4]):
        nn.init.normal_(layer.weight, 1.0, 0.3)
        nn.init.normal_(layer.bias)
    network.train()(torch.rand(8, *SHAPE) * 3 + 1)
    module: torch.nn.Module = traced(network, SHAPE)
    return module


@pytest.fixture
def subject_of(recorder: Callable[..., Any]) -> Callable[..., Subject]:
    """Make a subject; without `again` the method is the gradient at the image."""

    def make(
        network: torch.nn.Module,
        image: torch.Tensor,
        heatmap: torch.Tensor | None = None,
        *,
        target: int = 1,
        job: Job | None = None,
        again: Callable[[torch.Tensor, OtherNetwork | None], torch.Tensor] | None = None,
        lifted: Callable[[], torch.fx.GraphModule] | None = None,
        known: dict[Any, Any] | None = None,
    ) -> Subject:
        job = job or recorder()

        make_lifted = lifted or (lambda: lift(network))

        def gradient(seen: torch.Tensor, other: OtherNetwork | None) -> torch.Tensor:
            job.check()
            with nullcontext(network) if other is None else other.made_of(make_lifted()) as used, torch.enable_grad():
                points = seen.clone().requires_grad_()
                return torch.autograd.grad(used(points)[0, target], points)[0][0, 0]

        again = again or gradient
        heatmap = again(image, None) if heatmap is None else heatmap
        return Subject(
            model=ObservedModel(network.eval(), job, spec=SPEC, image=image, known=known),
            image=image,
            target=target,
            attribution=heatmap.expand(image.shape[1:]).clone(),
            heatmap=heatmap,
            signed=True,
            again=again,
            passes=3,
            lifted=make_lifted,
        )

    return make


@pytest.fixture
def take(recorder: Callable[..., Any]) -> Callable[..., dict[str, float]]:
    """Take a measure by name."""

    def run(name: str, subject: Subject, *, job: Job | None = None, **parameters: object) -> dict[str, float]:
        params = measure_parameters(name, parameters)
        return dict(measure_by_name(name).measure(subject, params, job or recorder()))

    return run


@pytest.fixture(scope="session")
def quantus() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import quantus
        except ImportError as error:
            pytest.skip(f"quantus cannot be imported here (OpenCV wants libGL): {error}")
    return quantus
