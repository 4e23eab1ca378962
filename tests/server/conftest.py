# ruff: noqa: ANN401 - values of any field
"""A small model repository, and stand-ins for Triton and the workers at the engine's own seams."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from pydantic import Field
from radiolucent.handlers import Affine, InputSpec, Label, ModelCard, save_card
from radiolucent.handlers.card import Parity
from radiolucent.handlers.repository import ModelSet, Repository, load_set
from radiolucent.plugins import Origin, Parameters, Registry, Segmenter, load_registry
from radiolucent.plugins.measures import MEASURES, Better, Family, Measure, MeasuredValue
from radiolucent.server.caller import Caller
from radiolucent.server.catalog import ModelCatalog
from radiolucent.server.classifier import Classifier
from radiolucent.server.engine.explain import EngineLimits, ExplanationEngine
from radiolucent.server.engine.order import ExplainOrder, MethodCall, Priority
from radiolucent.server.engine.segmented import Segmented
from radiolucent.server.engine.task import (
    FailureReason,
    ItemTask,
    Measurement,
    WorkerDone,
    WorkerEvent,
    WorkerFailure,
    WorkerInput,
    WorkerMap,
    WorkerProgress,
)
from radiolucent.server.engine.ticket import Turn
from radiolucent.server.triton.answers import EnsembleAnswer, NetworkAnswer
from radiolucent.server.triton.status import ServingStatus

SIZE = 16
LABELS = (Label(name="Nodule", implies="Lesion"), Label(name="Lesion"), Label(name="Effusion"))
MEMBERS = ("resnet18", "resnet34")
CREATED = datetime(2024, 5, 1, tzinfo=timezone.utc)


def card(name: str, labels: tuple[Label, ...] = LABELS, **changes: Any) -> ModelCard:
    values: dict[str, Any] = {
        "name": name,
        "title": name.title(),
        "version": 1,
        "architecture": name,
        "source": "trained",
        "labels": labels,
        "input": InputSpec(size=SIZE),
        "parity": Parity(),
        "files": {"model.pt": "0" * 64, "model.onnx": "1" * 64},
        "created": CREATED,
    }
    return ModelCard(**values | changes)


class Steps(Parameters):
    steps: int = Field(default=10, ge=1, description="Passes, 1 or more.")


class Counted(Measure[Steps]):
    """A measure of as many passes as it is told; the workers here make up its numbers."""

    name = "counted"
    title = "Counted"
    description = "Nothing."
    reference = "None"
    variant = "Ours."
    family = Family.FAITHFULNESS
    parameters = Steps
    values = (MeasuredValue("found", "A number.", Better.HIGHER),)

    def measure(self, subject: Any, params: Steps, job: Any) -> dict[str, float]:
        raise NotImplementedError

    def cost(self, params: Steps, shape: object, passes: int) -> int:
        return params.steps + passes


class Halves(Segmenter):
    name = "halves"
    title = "Two halves"
    description = "The left half."
    reference = "None"

    def segment(self, image: Any) -> Any:
        raise NotImplementedError("the workers here make it up")


@pytest.fixture(scope="session")
def measures() -> dict[str, Measure[Any]]:
    return {"counted": Counted(), **{name: MEASURES[name] for name in ("deletion", "insertion", "infidelity")}}


@pytest.fixture(scope="session")
def registry() -> Registry:
    found = load_registry(())
    return Registry(found.methods, found.origins, (), {"halves": Halves()}, {"halves": Origin("package", "2")})


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Cards of two networks and their model set; no weights, since nothing here loads any."""
    repository = Repository(tmp_path / "models")
    for name in MEMBERS:
        folder = repository.member_version_dir(name, 1)
        folder.mkdir(parents=True)
        save_card(card(name), folder / "card.json")
    model_set = ModelSet(
        version=1,
        members=dict.fromkeys(MEMBERS, 1),
        labels=tuple(label.name for label in LABELS),
        files={},
        created=CREATED,
    )
    repository.set_dir(1).mkdir(parents=True)
    (repository.set_dir(1) / "model_set.json").write_text(model_set.to_json())
    return repository


@pytest.fixture
def status(repository: Repository) -> ServingStatus:
    imported = card("thoracic", (Label(name="Mass", threshold=0.4), Label(name="Effusion")))
    unseen = card("unseen", files={"model.onnx": "1" * 64})
    return ServingStatus(
        available=True,
        model_set=load_set(repository, 1, check=False),
        networks={"thoracic": imported, "unseen": unseen},
    )


@pytest.fixture
def catalog(repository: Repository, status: ServingStatus) -> ModelCatalog:
    return ModelCatalog(repository, lambda: status)


@dataclass
class FakeTriton:
    """Answers with fixed logits, or raises; counts what it is asked."""

    logits: npt.NDArray[np.float32] = field(
        default_factory=lambda: np.array([[2.0, 1.0, -3.0], [1.0, -1.0, -2.0]], dtype=np.float32)
    )
    error: Exception | None = None
    hold: asyncio.Event | None = None
    asked: int = 0

    async def infer_ensemble(self, image: bytes, timeout: float) -> EnsembleAnswer:
        self.asked += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.error is not None:
            raise self.error
        scores = (1 / (1 + np.exp(-self.logits))).astype(np.float32)
        votes = (scores >= 0.5).sum(axis=0).astype(np.int32)
        return EnsembleAnswer(
            set_version=1,
            models=MEMBERS,
            versions=(1, 1),
            labels=tuple(label.name for label in LABELS),
            logits=self.logits,
            probabilities=scores,
            votes=votes,
            majority=votes * 2 > len(MEMBERS),
            mean=scores.mean(axis=0),
        )

    async def infer_network(
        self, name: str, images: npt.NDArray[np.float32], timeout: float, version: int | None = None
    ) -> NetworkAnswer:
        assert images.shape == (1, 1, SIZE, SIZE)
        return NetworkAnswer(version=version or 1, logits=np.array([[-0.2, -5.0]], dtype=np.float32))


@dataclass
class FakeWorkers:
    """Works off tasks one after the other, as told; counts what it was given."""

    hold: asyncio.Event | None = None
    failure: FailureReason | None = None
    tasks: list[ItemTask] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    wait_s: float = 0.0
    cancelled: list[str] = field(default_factory=list)
    measurement: Measurement = field(
        default_factory=lambda: Measurement("counted", {"steps": 10}, {"found": 0.5}, elapsed_s=0.25)
    )
    """What every measure says."""
    segmented: Segmented | None = None
    """What the segmenter says; None: nothing, until the job is stopped."""
    segmenting: list[tuple[str, Turn]] = field(default_factory=list)
    _stops: dict[str, asyncio.Event] = field(default_factory=dict)

    async def run(self, task: ItemTask, turn: Turn) -> AsyncGenerator[WorkerEvent, None]:
        self.tasks.append(task)
        self.turns.append(turn)
        stop = self._stops.setdefault(task.job_id, asyncio.Event())
        if task.want_input:
            yield WorkerInput(np.zeros((1, SIZE, SIZE), np.float32), AFFINE)
        yield WorkerProgress(1, 4)
        if task.partial:
            yield self._map(task, task.targets[0], final=False)
        if self.hold is not None:
            waits = [asyncio.ensure_future(self.hold.wait()), asyncio.ensure_future(stop.wait())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
        if stop.is_set():
            yield WorkerFailure(FailureReason.CANCELLED, "cancelled", task.targets, forward_passes=1, elapsed_s=0.1)
            return
        if self.failure is not None:
            yield WorkerFailure(self.failure, "it raised an error", task.targets)
            return
        yield WorkerProgress(4, 4)
        for target in task.targets:
            measured = tuple(self.measurement for _ in task.measures)
            yield replace(self._map(task, target, final=True), measurements=measured)
        measured_s = len(task.targets) * len(task.measures) * self.measurement.elapsed_s
        yield WorkerDone(forward_passes=4, elapsed_s=0.2 + measured_s, measured_s=measured_s)

    async def segment(self, segmenter: str, image: bytes, turn: Turn) -> Segmented:
        self.segmenting.append((segmenter, turn))
        if self.segmented is None:
            await asyncio.Event().wait()
        assert self.segmented is not None
        return self.segmented

    async def cancel(self, job_id: str) -> None:
        self.cancelled.append(job_id)
        self._stops.setdefault(job_id, asyncio.Event()).set()

    def expected_wait_s(self, caller: Hashable, priority: Priority) -> float:
        return self.wait_s

    @staticmethod
    def _map(task: ItemTask, target: int, *, final: bool) -> WorkerMap:
        plane = np.full((SIZE, SIZE), float(target), dtype=np.float32)
        values = plane[np.newaxis] if final and task.want_attribution else None
        return WorkerMap(
            target, plane, values, AFFINE, final, 1.0 if final else 0.25, None, 0.5, 0.1, {"absorbed": 0.125}
        )


AFFINE = Affine(2.0, 2.0, 0.0, 0.0)


@pytest.fixture
def triton() -> FakeTriton:
    return FakeTriton()


@pytest.fixture
def workers() -> FakeWorkers:
    return FakeWorkers()


@pytest.fixture
def classifier(triton: FakeTriton, catalog: ModelCatalog) -> Iterator[Classifier]:
    classifier = Classifier(triton, catalog, max_upload_bytes=100_000, max_pixels=1_000_000)
    yield classifier
    classifier.close()


MakeEngine = Callable[..., ExplanationEngine]


@pytest.fixture
async def make_engine(
    classifier: Classifier,
    catalog: ModelCatalog,
    registry: Registry,
    workers: FakeWorkers,
    measures: dict[str, Measure[Any]],
) -> AsyncGenerator[MakeEngine, None]:
    engines: list[ExplanationEngine] = []

    def make(**limits: Any) -> ExplanationEngine:
        engine = ExplanationEngine(classifier, catalog, registry, workers, EngineLimits(**limits), measures=measures)
        engines.append(engine)
        return engines[-1]

    yield make
    for engine in engines:
        await engine.close()


@pytest.fixture
def engine(make_engine: MakeEngine) -> ExplanationEngine:
    return make_engine()


@pytest.fixture(scope="session")
def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(32 * 24, dtype=np.uint8).reshape(32, 24)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def make_order(png: bytes) -> Callable[..., ExplainOrder]:
    def make(*methods: str, **values: Any) -> ExplainOrder:
        calls = tuple(MethodCall(name) for name in methods or ("saliency",))
        return ExplainOrder(**{"request_id": "", "image": png, "methods": calls} | values)

    return make


@pytest.fixture
def caller() -> Caller:
    return Caller.of("test", b"the caller")


@pytest.fixture
def stranger() -> Caller:
    return Caller.of("test", b"somebody else")
