"""Measures of maps, taken by the worker that made them."""

# ruff: noqa: ANN401 - what a test passes through
from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from pydantic import Field
from radiolucent.plugins import (
    Attribution,
    InvalidResult,
    Method,
    NotApplicable,
    Parameters,
    Registry,
    load_registry,
)
from radiolucent.plugins.measures import Family, Measure, MeasuredValue, Subject
from radiolucent.plugins.registry import Origin
from radiolucent.plugins.segmenter import Segmenter
from radiolucent.server.engine.explainer import Explainer
from radiolucent.server.engine.task import (
    FailureReason,
    ItemTask,
    Measurement,
    MeasureTask,
    ModelRef,
    WorkerDone,
    WorkerEvent,
    WorkerFailure,
    WorkerMap,
    WorkerProgress,
)

MakeTask = Callable[..., ItemTask]
Body = Callable[[Subject, Any, Any], Mapping[str, float]]


class Steps(Parameters):
    steps: int = Field(default=4, ge=1, description="Passes, 1 or more.")


class Told(Measure[Steps]):
    """A measure whose body is a test's."""

    name = "told"
    title = "Told"
    description = "As the test says."
    reference = "None"
    variant = "Ours."
    family = Family.FAITHFULNESS
    parameters = Steps
    values = (MeasuredValue("found", "A number."),)

    def __init__(self, body: Body) -> None:
        self._body = body

    def measure(self, subject: Subject, params: Steps, job: Any) -> Mapping[str, float]:
        return self._body(subject, params, job)

    def cost(self, params: Steps, shape: object, passes: int) -> int:
        return params.steps + passes


@dataclass(frozen=True)
class Copied:
    """Another network: a copy, or one without weights. Counts how often it is made."""

    empty: bool = False
    made: ClassVar[list[bool]] = []

    @contextmanager
    def made_of(self, lifted: torch.fx.GraphModule) -> Iterator[torch.fx.GraphModule]:
        copied = copy.deepcopy(lifted)
        if self.empty:
            for weights in copied.parameters():
                weights.data.zero_()
        self.made.append(self.empty)
        yield copied


def one(*_: object) -> dict[str, float]:
    return {"found": 1.0}


@pytest.fixture
def measured(make_task: MakeTask) -> Callable[..., list[WorkerEvent]]:
    """Run a task with measures of these bodies, named told_0 and so on."""

    def run(
        *bodies: Body, cancelled: Callable[[], bool] = lambda: False, explainer: Explainer | None = None, **changes: Any
    ) -> list[WorkerEvent]:
        measures = {f"told_{number}": Told(body) for number, body in enumerate(bodies)}
        events: list[WorkerEvent] = []
        explainer = explainer or Explainer(load_registry(()), measures=measures)
        explainer._measures = measures
        asked = {"method": "saliency", "measures": tuple(MeasureTask(name, {"steps": 4}) for name in measures)}
        explainer.run(make_task(**asked | changes), events.append, cancelled)
        return events

    return run


def finals(events: list[WorkerEvent]) -> list[WorkerMap]:
    return [event for event in events if isinstance(event, WorkerMap) and event.final]


def said(events: list[WorkerEvent]) -> list[Measurement]:
    return [one for event in finals(events) for one in event.measurements]


def test_every_final_map_comes_with_its_measurements(measured: Callable[..., list[WorkerEvent]]) -> None:
    def share(subject: Subject, params: Steps, job: Any) -> dict[str, float]:
        return {"found": float(subject.target * 10 + params.steps)}

    events = measured(one, share, method="occlusion")
    assert isinstance(events[-1], WorkerDone)
    assert [made.target for made in finals(events)] == [0, 2]
    assert [[dict(it.values) for it in made.measurements] for made in finals(events)] == [
        [{"found": 1.0}, {"found": 4.0}],
        [{"found": 1.0}, {"found": 24.0}],
    ]
    assert all(it.parameters == {"steps": 4} and not it.refusal for it in said(events))
    assert not any(made.measurements for made in events if isinstance(made, WorkerMap) and not made.final)


def test_the_map_is_the_same_with_and_without_measures(measured: Callable[..., list[WorkerEvent]]) -> None:
    def spoil(subject: Subject, params: Steps, job: Any) -> dict[str, float]:
        subject.image.zero_()
        subject.attribution.zero_()
        subject.heatmap.zero_()
        return {"found": 0.0}

    plain, spoilt = (finals(measured(*bodies, want_attribution=True)) for bodies in ((), (spoil, spoil)))
    for ours, theirs in zip(plain, spoilt, strict=True):
        np.testing.assert_array_equal(ours.heatmap, theirs.heatmap)
        np.testing.assert_array_equal(ours.values, theirs.values)


def test_a_subject_is_the_map_and_the_method_can_be_run_again_on_another_image_or_network(
    measured: Callable[..., list[WorkerEvent]],
) -> None:
    seen: list[Subject] = []

    def look(subject: Subject, params: Steps, job: Any) -> dict[str, float]:
        seen.append(subject)
        same = subject.again(subject.image, None)
        torch.testing.assert_close(same, subject.heatmap, rtol=0, atol=0)
        other = subject.again(subject.image + 0.1 * torch.rand(subject.image.shape), None)
        assert not torch.equal(other, subject.heatmap)
        torch.testing.assert_close(subject.again(subject.image, Copied()), subject.heatmap)
        assert not subject.again(subject.image, Copied(empty=True)).any()
        return {"found": float(subject.model(subject.image)[0, subject.target])}

    events = measured(look, method="input_x_gradient")
    assert not any(it.refusal for it in said(events)), said(events)
    for subject, made in zip(seen, finals(events), strict=True):
        np.testing.assert_array_equal(subject.heatmap.numpy(), made.heatmap)
        assert subject.attribution.shape == subject.image.shape[1:]
        assert subject.signed
        assert dict(made.measurements[0].values)["found"] == pytest.approx(made.output_value)


def test_methods_of_a_film_and_network_share_what_their_measures_found_whatever_form_they_see(
    measured: Callable[..., list[WorkerEvent]], save_network: Callable[..., ModelRef]
) -> None:
    made: list[str] = []

    def curve(subject: Subject, params: Steps, job: Any) -> dict[str, float]:
        if ("told", "curve") not in subject.model.known:
            made.append("curve")
            subject.model.known["told", "curve"] = 0.5
        return {"found": subject.model.known["told", "curve"]}

    explainer = Explainer(load_registry(()))
    for method in ("saliency", "occlusion", "guided_backprop"):
        measured(curve, method=method, explainer=explainer)
    assert len(made) == 1
    measured(curve, explainer=explainer, job_id="another film")
    measured(curve, explainer=explainer, job_id="another film", model=save_network("another"))
    assert len(made) == 3


def test_a_measure_that_does_not_apply_says_why_and_the_others_go_on(
    measured: Callable[..., list[WorkerEvent]],
) -> None:
    def refuse(subject: Subject, params: Steps, job: Any) -> dict[str, float]:
        raise NotApplicable("the map is constant")

    events = measured(refuse, one)
    assert isinstance(events[-1], WorkerDone)
    assert [(it.refusal, dict(it.values), it.error_id) for it in finals(events)[0].measurements] == [
        ("the map is constant", {}, None),
        ("", {"found": 1.0}, None),
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda *_: 1 / 0, "the measure 'told_0' raised ZeroDivisionError"),
        (lambda *_: {"found": float("nan")}, "gives found as nan, which is not finite"),
        (lambda *_: {"lost": 1.0}, "other numbers than it declares"),
        (lambda *_: {"found": "much"}, "no number as found"),
        (lambda *_: None, "other numbers than it declares"),
    ],
)
def test_a_measure_that_breaks_is_refused_under_an_error_id_and_the_map_still_comes(
    measured: Callable[..., list[WorkerEvent]], body: Body, words: str
) -> None:
    events = measured(body, one)
    assert isinstance(events[-1], WorkerDone)
    assert len(finals(events)) == 2
    broken, well = finals(events)[0].measurements
    assert words in broken.refusal
    assert broken.error_id is not None
    assert broken.error_id in broken.refusal
    assert broken.details is not None
    assert dict(broken.values) == {}
    assert dict(well.values) == {"found": 1.0}


def test_no_words_of_an_exception_reach_the_caller(measured: Callable[..., list[WorkerEvent]]) -> None:
    def leak(subject: Subject, params: Steps, job: Any) -> dict[str, float]:
        raise ValueError("pixel 4711")

    (first, _) = said(measured(leak))
    assert "4711" not in first.refusal
    assert "4711" not in (first.details or "")


def test_progress_counts_the_measures_never_falls_and_ends_at_the_end_alone(
    measured: Callable[..., list[WorkerEvent]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radiolucent.server.engine.task_run._PROGRESS_S", 0.0)

    def work(subject: Subject, params: Steps, job: Any) -> dict[str, float]:
        for done in range(params.steps + 1):
            job.progress(done, params.steps)
        job.progress(0, params.steps)
        return {"found": 1.0}

    events = measured(work, method="occlusion")
    told = [event for event in events if isinstance(event, WorkerProgress)]
    method: Method[Any] = load_registry(()).method("occlusion")
    cost = method.cost(method.parameters(), (1, 24, 24), 2)
    assert {it.total for it in told} == {cost + 2 * 4 + cost}
    assert all(before.done <= after.done for before, after in pairwise(told))
    assert [it.done == it.total for it in told].index(True) == len(told) - 1
    assert isinstance(events[-1], WorkerDone)
    assert len({it.done for it in told}) > 8


def test_a_task_that_is_cancelled_in_a_measure_stops_there_and_keeps_its_maps(
    measured: Callable[..., list[WorkerEvent]],
) -> None:
    passes: list[int] = []

    def long(subject: Subject, params: Steps, job: Any) -> dict[str, float]:
        for _ in range(1000):
            subject.model(subject.image)
            passes.append(1)
        return {"found": 1.0}

    events = measured(one, long, cancelled=lambda: len(passes) >= 3)
    assert len(passes) == 3
    last = events[-1]
    assert isinstance(last, WorkerFailure)
    assert (last.reason, last.missing) == (FailureReason.CANCELLED, ())
    assert last.measured_passes < last.forward_passes
    first, second = finals(events)
    assert [it.refusal for it in first.measurements] == ["", "the job was stopped before it was taken"]
    assert {it.refusal for it in second.measurements} == {"the job was stopped before it was taken"}


def test_running_out_of_memory_in_a_measure_says_whose_fault_it_is(measured: Callable[..., list[WorkerEvent]]) -> None:
    def greedy(subject: Subject, params: Steps, job: Any) -> dict[str, float]:
        raise MemoryError

    last = measured(greedy)[-1]
    assert isinstance(last, WorkerFailure)
    assert last.reason is FailureReason.OUT_OF_MEMORY
    assert last.message.startswith("the measure 'told_0' needs more memory")


def test_a_measurement_says_what_of_its_announced_passes_it_needed(make_task: MakeTask) -> None:
    events: list[WorkerEvent] = []
    tasks = tuple(MeasureTask(name) for name in ("insertion", "infidelity", "efficient_mprt"))
    Explainer(load_registry(())).run(make_task(method="saliency", measures=tasks), events.append, lambda: False)
    # The second map takes random orders, hidden squares and a run of the method, which costs five, from the first.
    assert [[one.passes for one in made.measurements] for made in finals(events)] == [[38, 25, 5], [9, 0, 0]]


def test_what_measures_cost_is_told_apart_from_what_the_method_cost(
    measured: Callable[..., list[WorkerEvent]],
) -> None:
    def look(subject: Subject, params: Steps, job: Any) -> dict[str, float]:
        subject.model(subject.image.repeat(5, 1, 1, 1))
        subject.again(subject.image, None)
        return {"found": 1.0}

    done = measured(look)[-1]
    assert isinstance(done, WorkerDone)
    alone = measured()[-1]
    assert isinstance(alone, WorkerDone)
    assert alone.measured_passes == 0
    assert done.forward_passes - done.measured_passes == alone.forward_passes
    assert done.measured_passes == 2 * 5 + 1
    assert 0 < done.measured_s < done.elapsed_s


def test_measures_see_the_network_without_the_hooks_that_a_method_has_on_it_meanwhile(
    scripted: Callable[..., Explainer], measured: Callable[..., list[WorkerEvent]]
) -> None:
    def hooked(model: Any, image: Any, targets: Any, job: Any) -> Iterator[Attribution]:
        handle = model.register_forward_hook(lambda module, inputs, output: output * 0)
        network = model.network.forward
        model.network.forward = lambda batch: network(batch) * 0
        try:
            for target in targets:
                yield Attribution(target, torch.ones(1, 24, 24), 1.0, True)
        finally:
            handle.remove()
            del model.network.forward

    def look(subject: Subject, params: Steps, job: Any) -> dict[str, float]:
        return {"found": float(subject.model(subject.image).abs().sum())}

    events = measured(look, method="scripted", explainer=scripted(hooked))
    assert all(it.values["found"] > 0 for it in said(events)), events[-1]


def test_maps_that_were_done_before_the_method_broke_off_come_unmeasured(
    scripted: Callable[..., Explainer], measured: Callable[..., list[WorkerEvent]]
) -> None:
    def half(model: Any, image: Any, targets: Any, job: Any) -> Iterator[Attribution]:
        yield Attribution(targets[0], torch.ones(1, 24, 24), 1.0, True)
        raise RuntimeError

    events = measured(one, method="scripted", explainer=scripted(half))
    assert [it.refusal for it in said(events)] == ["the item failed before it was taken"]
    last = events[-1]
    assert isinstance(last, WorkerFailure)
    assert (last.reason, last.missing) == (FailureReason.METHOD, (2,))


def test_a_method_that_breaks_its_contract_when_it_is_run_again_is_named(
    scripted: Callable[..., Explainer], measured: Callable[..., list[WorkerEvent]]
) -> None:
    runs = count()

    def picky(model: Any, image: Any, targets: Any, job: Any) -> Iterator[Attribution]:
        value = 1.0 if next(runs) == 0 else float("nan")
        for target in targets:
            yield Attribution(target, torch.full((1, 24, 24), value), 1.0, True)

    def look(subject: Subject, params: Steps, job: Any) -> dict[str, float]:
        with pytest.raises(InvalidResult):
            subject.again(subject.image, None)
        subject.again(subject.image, None)
        return {}

    (first, _) = said(measured(look, method="scripted", explainer=scripted(picky)))
    assert first.refusal.startswith("the method 'scripted', run again, breaks its contract: values must be finite")


def test_a_segmenter_that_fails_says_why_and_never_raises(png: bytes) -> None:
    class Lungs(Segmenter):
        name, title, description, reference = "lungs", "Lungs", "Halves.", "None"

        def __init__(self, body: Callable[[Any], Any]) -> None:
            self._body = body

        def segment(self, image: Any) -> Any:
            return self._body(image)

    def draw(body: Callable[[Any], Any], name: str = "lungs") -> Any:
        registry = load_registry(())
        found = Registry(registry.methods, registry.origins, (), {"lungs": Lungs(body)}, {"lungs": Origin("x", "1")})
        return Explainer(found).segment("job", name, png)

    well = draw(lambda image: np.full(image.pixels.shape, 255, np.uint8))
    assert well.values.shape == (60, 48)
    for body, words in (
        (lambda image: 1 / 0, "the segmenter 'lungs' of the package x 1 raised ZeroDivisionError"),
        (lambda image: np.zeros((60, 48), np.uint8), "has no lung in it"),
        (lambda image: np.full((60, 48), 254, np.uint8), "has values (254) other than"),
        (lambda image: np.full((48, 60), 255, np.uint8), "must have the X-ray's shape [60, 48], not [48, 60]"),
        (lambda image: np.ones((60, 48)), "an array of uint8, not of float64"),
    ):
        broken = draw(body)
        assert broken.values is None
        assert words in broken.refusal
        assert broken.error_id in broken.refusal
    assert "is not installed" in draw(lambda image: image, name="others").refusal
