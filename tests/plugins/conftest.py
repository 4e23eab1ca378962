"""A small traced network, and a way to run a method on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from radiolucent.handlers import InputSpec
from radiolucent.handlers.lifting import lift
from radiolucent.plugins import (
    Attribution,
    Cancelled,
    Method,
    Need,
    ObservedModel,
    Output,
    Registry,
    checked,
    load_registry,
)
from torch import nn

SHAPE = (1, 40, 52)
SPEC = InputSpec(size=40, mean=0.5, std=0.25)


@dataclass
class Recorder:
    """A job that writes down what it is told, and is cancelled at a given forward pass."""

    cancel_at_check: int | None = None
    wants_partial: bool = True
    checks: int = 0
    reports: list[tuple[int, int]] = field(default_factory=list)

    def check(self) -> None:
        self.checks += 1
        if self.cancel_at_check is not None and self.checks >= self.cancel_at_check:
            raise Cancelled

    def progress(self, done: int, total: int) -> None:
        self.reports.append((done, total))


@dataclass
class Explanation:
    method: Method[Any]
    maps: list[Attribution]
    job: Recorder
    model: ObservedModel
    cost: int

    def final(self, target: int) -> Attribution:
        return next(one for one in self.maps if one.target == target and one.final)

    def partial(self, target: int) -> list[Attribution]:
        return [one for one in self.maps if one.target == target and not one.final]


Explain = Callable[..., Explanation]


def trace(network: nn.Module, shape: Sequence[int] = SHAPE) -> torch.nn.Module:
    traced: torch.nn.Module = torch.jit.trace(network.eval(), torch.rand(2, *shape))
    for parameter in traced.parameters():
        parameter.requires_grad_(False)
    return traced


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry(())


@pytest.fixture(scope="session")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return trace(
        nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(256, 5),
        )
    )


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(1)) * 4 - 2


@pytest.fixture(scope="session")
def explain(registry: Registry, network: torch.nn.Module) -> Explain:
    """Run a method by name, its results checked against the contract."""

    def run(
        name: str,
        image: torch.Tensor,
        targets: Sequence[int] = (1, 3),
        *,
        on: torch.nn.Module = network,
        spec: InputSpec = SPEC,
        output: Output = Output.LOGIT,
        job: Recorder | None = None,
        form: Callable[[torch.nn.Module], torch.nn.Module] | None = None,
        **parameters: object,
    ) -> Explanation:
        job = job or Recorder()
        method = registry.method(name)
        params = registry.parameters(name, parameters)
        if form is None and Need.MODULES in method.needs_of(params):
            form = lift
        explained = on if form is None else form(on)
        method.check_network(explained)
        model = ObservedModel(explained, job, spec=spec, output=output, image=image)
        shape = image.shape[1:]
        maps = list(checked(method, method.explain(model, image, targets, params, job), targets, shape))
        return Explanation(method, maps, job, model, method.cost(params, shape, len(targets)))

    return run


@pytest.fixture(scope="session")
def traced() -> Callable[..., torch.nn.Module]:
    return trace


@pytest.fixture
def recorder() -> type[Recorder]:
    return Recorder


@pytest.fixture(scope="session")
def spec() -> InputSpec:
    return SPEC
