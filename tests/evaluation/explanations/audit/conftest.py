"""A server that is not there: a client that answers from memory, and does what a test tells it to."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from radiolucent.client import (
    Affine,
    Classification,
    Classified,
    Completeness,
    Event,
    ExplainedOutput,
    Failure,
    FailureReason,
    Heatmap,
    ImageSize,
    Item,
    ItemEstimate,
    ItemSummary,
    JobState,
    LabelVote,
    Method,
    ModelAnswer,
    ModelSet,
    ModelVersion,
    Precision,
    Sign,
    Summary,
    Target,
    TargetReason,
)
from radiolucent.datasets import DataSet, Film
from radiolucent.evaluation.explanations.audit import Planned, prepare
from radiolucent.evaluation.explanations.offered import Offered
from radiolucent.evaluation.explanations.settling import AuditWishes
from radiolucent.handlers.card import Label

LABELS = ("COVID-19", "Pneumonia", "No Finding")
NETWORKS = {"net_a": 3, "net_b": 4}
METHODS = ("occlusion", "saliency", "deep_lift")
SIZES = {"net_a": 8, "net_b": 12}


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredHeatmap(Heatmap):
    """A heatmap with what was measured of it."""

    measurements: tuple[Any, ...] = ()


def _schema(**defaults: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"type": "object", "properties": {name: {"default": value} for name, value in defaults.items()}}


def _measure(name: str, family: str, *values: tuple[str, str]) -> Any:  # noqa: ANN401
    return SimpleNamespace(
        name=name,
        title=name.title(),
        description=f"What {name} is.",
        reference="a paper",
        variant="our own",
        family=family,
        parameters_schema=_schema(steps=10),
        values=tuple(SimpleNamespace(name=one, description="In [0, 1].", better=better) for one, better in values),
    )


def _method(name: str) -> Method:
    return Method(
        name=name,
        title=name.title(),
        description="",
        reference="",
        parameters_schema=_schema(window=50) if name == "occlusion" else _schema(),
        needs=(),
        sign=Sign.UNSIGNED if name == "saliency" else Sign.SIGNED,
        completeness=Completeness.NONE,
        distribution="radiolucent",
        distribution_version="1",
    )


@pytest.fixture
def offered() -> Offered:
    return Offered(
        model_set=7,
        networks=dict(NETWORKS),
        input_sizes=dict(SIZES),
        weights={name: f"{version:064}" for name, version in NETWORKS.items()},
        labels=(Label(name="COVID-19", implies="Pneumonia"), Label(name="Pneumonia"), Label(name="No Finding")),
        methods={name: _method(name) for name in METHODS},
        measures={
            "deletion": _measure("deletion", "faithfulness", ("above_random", "higher")),
            "max_sensitivity": _measure("max_sensitivity", "robustness", ("change", "lower"), ("scale", "neither")),
        },
        verdict="shortcut not excluded",
        scores={"net_a": {"micro_f1": 0.75}, "majority": {"micro_f1": 0.8}},
        versions={"torch": "2"},
        workers=2,
    )


@dataclass
class FakeClient:
    """What it does is set by its fields; what was asked of it is in its lists."""

    asked: list[str] = field(default_factory=list)
    """Names of the films that were to be explained, in order."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    plans: int = 0
    raises: dict[str, list[BaseException]] = field(default_factory=dict)
    """By film: what its next explanations raise after their first event."""
    failing: Callable[[str, str, str, str], bool] = lambda film, network, method, precision: False
    """Whether a method fails on a film and a network, in a precision."""
    refusing: Callable[[str, str], bool] = lambda film, measure: False
    lost_in_bfloat16: tuple[str, str] = ("", "")
    """A network and a method whose maps are others in bfloat16."""
    refuses_plans: Exception | None = None
    interrupted_at: str = ""
    """The film at which somebody presses Ctrl-C."""
    model_set: int = 7
    under_way: int = 0
    most_under_way: int = 0

    @asynccontextmanager
    async def explain(self, xray: Path, methods: dict, **asked: Any) -> AsyncIterator[AsyncIterator[Event]]:  # noqa: ANN401
        if asked.get("dry_run"):
            self.plans += 1
            if self.refuses_plans is not None:
                raise self.refuses_plans
        else:
            self.asked.append(xray.stem)
            self.requests.append({"methods": methods, **asked})
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            yield self._events(xray.stem, methods, asked)
        finally:
            self.under_way -= 1

    async def _events(self, film: str, methods: dict, asked: dict) -> AsyncIterator[Event]:
        numbers = iter(range(1, 10_000))

        def place() -> dict[str, Any]:
            time = datetime(2026, 1, 2, tzinfo=timezone.utc)
            return {"job_id": "j", "request_id": "r", "sequence": next(numbers), "time": time}

        items = [
            Item(ModelVersion(network, NETWORKS[network]), method, tuple(asked["targets"]))
            for network in asked["models"]
            for method in methods
        ]
        yield Classified(
            **place(),
            classification=self._classification(),
            targets=tuple(Target(label, TargetReason.ASKED) for label in asked["targets"]),
            items=tuple(items),
            estimates=tuple(ItemEstimate(10, 2.0, 0) for _ in items),
            estimated_work_s=2.0 * len(items),
        )
        await asyncio.sleep(0)
        if film == self.interrupted_at:
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(0)
        if self.raises.get(film) and not asked.get("dry_run"):
            raise self.raises[film].pop(0)
        done = []
        precision = Precision(asked["precision"])
        for item in items if not asked.get("dry_run") else ():
            if self.failing(film, item.model.name, item.method, precision.value):
                yield Failure(**place(), item=item, reason=FailureReason.METHOD, message="it raised an error")
                done.append(ItemSummary(item, (), 1.0, 0.0, 4, FailureReason.METHOD))
                continue
            for label in item.labels:
                yield self._heatmap(film, item, label, asked["measures"], place(), precision)
            await asyncio.sleep(0)
            done.append(ItemSummary(item, item.labels, 3.0 * len(item.labels), 0.0, 20, None, measured_passes=14))
        yield Summary(
            **place(),
            state=JobState.DONE,
            items=tuple(done),
            elapsed_s=1.0,
            classification_elapsed_s=0.1,
            intended_use="Research use only.",
        )

    def _heatmap(self, film: str, item: Item, label: str, measures: Any, place: dict, precision: Precision) -> Heatmap:  # noqa: ANN401
        size = SIZES[item.model.name]
        lost = precision is Precision.BFLOAT16 and (item.model.name, item.method) == self.lost_in_bfloat16
        random = np.random.default_rng(abs(hash((film, item.method, label, lost))) % 2**32)
        values = {"deletion": {"above_random": 1 / 3}, "max_sensitivity": {"change": 0.25, "scale": 12345678.0}}
        return MeasuredHeatmap(
            **place,
            model=item.model,
            method=item.method,
            parameters={"window": 50} if item.method == "occlusion" else {},
            label=label,
            output=ExplainedOutput.LOGIT,
            output_value=1.5,
            final=True,
            fraction=1.0,
            precision=precision,
            sign=Sign.SIGNED,
            completeness=Completeness.NONE,
            convergence_delta=0.5 if item.method == "deep_lift" else None,
            facts={"output_change": 2.0},
            values=random.normal(size=(size, size)).astype(np.float32),
            attribution=None,
            affine=Affine(2.0, 2.0, 0.0, -1.5),
            elapsed_s=1.0,
            intended_use="Research use only.",
            measurements=tuple(
                SimpleNamespace(
                    measure=name,
                    parameters={"steps": 10, **parameters},
                    values={} if self.refusing(film, name) else values[name],
                    refusal="no evidence" if self.refusing(film, name) else "",
                    elapsed_s=0.5,
                )
                for name, parameters in measures
            ),
        )

    def _classification(self) -> Classification:
        members = tuple(ModelVersion(name, version) for name, version in NETWORKS.items())
        return Classification(
            answers=tuple(
                ModelAnswer(member, (0.9, 0.95, 0.1), (2.0, 3.0, -2.0), (True, True, False)) for member in members
            ),
            labels=tuple(
                LabelVote(label, 2 * (label != "No Finding"), label != "No Finding", mean)
                for label, mean in zip(LABELS, (0.9, 0.95, 0.1), strict=True)
            ),
            majority=("COVID-19", "Pneumonia"),
            model_set=ModelSet(self.model_set, members),
            image_size=ImageSize(16, 13),
            instance=None,
            intended_use="Research use only.",
        )


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


def _film(number: int, folder: Path) -> Film:
    kind = number % 3
    return Film(
        path=folder / f"{number:04}.png",
        file=f"images/{number:04}.png",
        line=number + 2,
        known={"COVID-19": kind == 0, "Pneumonia": kind < 2, "No Finding": kind == 2},
        group=f"g{number // 2:03}",
        split="test" if number < 40 else "train",
        source=("NIH ChestX-ray14", "ieee8023/Eurorad")[number % 5 == 0],
        view="PA",
    )


@pytest.fixture
def data_set(tmp_path: Path) -> DataSet:
    """Sixty films of thirty patients, forty of them to be tested; small grey images."""
    from PIL import Image

    folder = tmp_path / "films" / "images"
    folder.mkdir(parents=True)
    films = tuple(_film(number, folder) for number in range(60))
    for number, film in enumerate(films):
        Image.fromarray(np.full((16, 13), 40 + number, np.uint8)).save(film.path)
    labels = (Label(name="COVID-19", implies="Pneumonia"), Label(name="Pneumonia"), Label(name="No Finding"))
    return DataSet(tmp_path / "films" / "manifest.csv", "films", "a" * 64, labels, films)


@pytest.fixture
def plan(data_set: DataSet, offered: Offered) -> Callable[..., Planned]:
    """Plans an audit of six films with two methods, unless told otherwise."""

    def plan(**wishes: Any) -> Planned:  # noqa: ANN401
        usual = {"films": 6, "methods": ("occlusion", "saliency"), "robustness_films": 2}
        return prepare(AuditWishes(**{**usual, **wishes}), data_set, offered)

    return plan
