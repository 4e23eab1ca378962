"""One task, run in this thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from radiolucent.handlers import preprocess
from radiolucent.handlers.decode import decode
from radiolucent.handlers.lifting import fidelity
from radiolucent.plugins import Attribution, Cancelled, NotApplicable, load_registry
from radiolucent.server.engine import explainer as explainer_module
from radiolucent.server.engine.explainer import Explainer
from radiolucent.server.engine.task import (
    FailureReason,
    ItemTask,
    ModelRef,
    Output,
    WorkerDone,
    WorkerEvent,
    WorkerFailure,
    WorkerInput,
    WorkerMap,
    WorkerProgress,
)

MakeTask = Callable[..., ItemTask]
Body = Iterator[Attribution]


@pytest.fixture
def explainer() -> Explainer:
    return Explainer(load_registry(()))


def run(explainer: Explainer, task: ItemTask, cancelled: Callable[[], bool] = lambda: False) -> list[WorkerEvent]:
    events: list[WorkerEvent] = []
    explainer.run(task, events.append, cancelled)
    return events


def maps(events: list[WorkerEvent], target: int) -> list[WorkerMap]:
    return [event for event in events if isinstance(event, WorkerMap) and event.target == target]


def done(events: list[WorkerEvent]) -> WorkerDone:
    last = events[-1]
    assert isinstance(last, WorkerDone)
    return last


def failure(events: list[WorkerEvent]) -> WorkerFailure:
    last = events[-1]
    assert isinstance(last, WorkerFailure)
    assert not any(isinstance(event, (WorkerDone, WorkerFailure)) for event in events[:-1])
    return last


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "occlusion"])
def test_every_target_gets_its_final_map_and_the_task_ends(
    explainer: Explainer, make_task: MakeTask, method: str
) -> None:
    events = run(explainer, make_task(method=method))
    assert isinstance(events[-1], WorkerDone)
    assert events[-1].forward_passes > 0
    for target in (0, 2):
        final = [event for event in maps(events, target) if event.final]
        assert len(final) == 1
        assert final[0].heatmap.shape == (24, 24)
        assert final[0].heatmap.dtype == np.float32


def test_the_explained_value_is_the_networks_output_on_the_preprocessed_image(
    explainer: Explainer, make_task: MakeTask, network_file: ModelRef, png: bytes
) -> None:
    tensor = preprocess(decode(png), network_file.input).tensor
    with torch.no_grad():
        logits = torch.jit.load(network_file.path)(torch.from_numpy(tensor)[None])[0]
    events = run(explainer, make_task(method="saliency"))
    assert maps(events, 2)[0].output_value == pytest.approx(float(logits[2]), abs=1e-6)
    events = run(explainer, make_task(method="saliency", output=Output.PROBABILITY))
    assert maps(events, 2)[0].output_value == pytest.approx(float(torch.sigmoid(logits)[2]), abs=1e-6)


def test_the_input_comes_first_with_the_way_back_to_the_original(
    explainer: Explainer, make_task: MakeTask, network_file: ModelRef, png: bytes
) -> None:
    events = run(explainer, make_task(want_input=True))
    prepared = preprocess(decode(png), network_file.input)
    assert isinstance(events[0], WorkerInput)
    np.testing.assert_array_equal(events[0].tensor, prepared.tensor)
    assert events[0].affine == prepared.affine == maps(events, 0)[0].affine
    assert not any(isinstance(event, WorkerInput) for event in run(explainer, make_task()))


def test_partial_maps_and_attributions_come_where_they_are_wanted(explainer: Explainer, make_task: MakeTask) -> None:
    plain = maps(run(explainer, make_task(partial=False)), 0)
    assert [one.final for one in plain] == [True]
    assert plain[0].values is None
    full = maps(run(explainer, make_task(want_attribution=True)), 0)
    assert len(full) > 3
    assert full[-1].values is not None
    assert full[-1].values.shape == (1, 24, 24)
    assert all(one.values is None for one in full[:-1])


def test_progress_ends_at_its_total(explainer: Explainer, make_task: MakeTask) -> None:
    progress = [event for event in run(explainer, make_task()) if isinstance(event, WorkerProgress)]
    assert progress[-1].done == progress[-1].total


def test_the_same_task_gives_the_same_bits(explainer: Explainer, make_task: MakeTask) -> None:
    for method in ("saliency", "integrated_gradients", "occlusion"):
        first, again = (maps(run(explainer, make_task(method=method)), 0)[-1].heatmap for _ in range(2))
        np.testing.assert_array_equal(first, again)


def test_an_image_is_decoded_once_for_the_tasks_of_a_job(
    explainer: Explainer, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def counted(data: bytes, *, max_pixels: int) -> Any:  # noqa: ANN401
        calls.append(max_pixels)
        return decode(data, max_pixels=max_pixels)

    monkeypatch.setattr(explainer_module, "decode", counted)
    for method in ("saliency", "occlusion"):
        run(explainer, make_task(method=method))
    assert len(calls) == 1
    run(explainer, make_task(job_id="another"))
    assert len(calls) == 2


def test_methods_that_share_a_pass_make_it_once(
    explainer: Explainer, make_task: MakeTask, save_network: Callable[..., ModelRef]
) -> None:
    alone = Explainer(load_registry(()))
    first, second = (run(explainer, make_task(method=method)) for method in ("saliency", "input_x_gradient"))
    assert [done(events).forward_passes for events in (first, second)] == [1, 0]
    expected = run(alone, make_task(method="input_x_gradient"))
    assert done(expected).forward_passes == 1
    for target in (0, 2):
        np.testing.assert_array_equal(maps(second, target)[-1].heatmap, maps(expected, target)[-1].heatmap)
        assert maps(second, target)[-1].output_value == maps(expected, target)[-1].output_value


def test_nothing_is_shared_between_jobs_networks_or_outputs(
    explainer: Explainer, make_task: MakeTask, save_network: Callable[..., ModelRef]
) -> None:
    run(explainer, make_task(method="saliency"))
    for other in (
        make_task(method="input_x_gradient", output=Output.PROBABILITY),
        make_task(method="input_x_gradient", model=save_network("another")),
        make_task(method="input_x_gradient", job_id="another"),
        make_task(method="guided_backprop"),
    ):
        assert done(run(explainer, other)).forward_passes >= 1


@pytest.mark.parametrize("other", ["smooth_grad_squared", "var_grad"])
def test_combinations_of_the_same_noisy_maps_share_them(explainer: Explainer, make_task: MakeTask, other: str) -> None:
    parameters = {"samples": 6, "seed": 3}
    run(explainer, make_task(method="smooth_grad", parameters=parameters))
    shared = run(explainer, make_task(method=other, parameters=parameters))
    expected = run(Explainer(load_registry(())), make_task(method=other, parameters=parameters))
    assert done(shared).forward_passes == 0
    np.testing.assert_array_equal(maps(shared, 2)[-1].heatmap, maps(expected, 2)[-1].heatmap)
    different = run(explainer, make_task(method=other, parameters={"samples": 6, "seed": 4}))
    assert done(different).forward_passes == 6


def test_networks_used_last_stay_warm(make_task: MakeTask, save_network: Callable[..., ModelRef]) -> None:
    refs = {name: save_network(name) for name in ("one", "two", "three")}
    explainer = Explainer(load_registry(()), warm_bytes=sum(refs[name].path.stat().st_size for name in ("one", "two")))
    for name in ("one", "two", "one", "three"):
        run(explainer, make_task(model=refs[name], method="saliency"))
    assert explainer.warm == (("one", 1), ("three", 1))


def test_two_versions_of_a_network_are_two_networks(
    explainer: Explainer, make_task: MakeTask, save_network: Callable[..., ModelRef]
) -> None:
    values = [
        maps(run(explainer, make_task(model=save_network("twice", version), method="saliency")), 0)[0].output_value
        for version in (1, 2)
    ]
    assert values[0] != values[1]


def test_a_cancelled_task_stops_at_its_next_forward_pass(explainer: Explainer, make_task: MakeTask) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    last = failure(run(explainer, make_task(), cancelled))
    assert last.reason is FailureReason.CANCELLED
    assert last.missing == (0, 2)
    assert asked == 6
    assert 0 < last.forward_passes < 20


def test_a_task_cancelled_before_it_began_touches_nothing(explainer: Explainer, make_task: MakeTask) -> None:
    events = run(explainer, make_task(image=b"not even an image"), lambda: True)
    assert failure(events).reason is FailureReason.CANCELLED
    assert explainer.warm == ()


def test_a_method_that_raises_fails_its_task_without_its_words(
    scripted: Callable[..., Explainer], make_task: MakeTask
) -> None:
    def body(model: Any, image: Any, targets: Any, job: Any) -> Body:  # noqa: ANN401
        yield Attribution(0, image[0], 1.0, True)
        raise RuntimeError("SECRET pixels of the patient")

    events = run(scripted(body), make_task(method="scripted"))
    last = failure(events)
    assert last.reason is FailureReason.METHOD
    assert last.missing == (2,)
    assert last.error_id is not None
    assert last.error_id in last.message
    assert "RuntimeError" in last.message
    assert "test_explainer.py" in (last.details or "")
    assert "SECRET" not in f"{last.message}{last.details}"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotApplicable("it has attention"), FailureReason.NOT_APPLICABLE),
        (Cancelled(), FailureReason.CANCELLED),
        (SystemExit(1), FailureReason.METHOD),
        (KeyboardInterrupt(), FailureReason.METHOD),
        (MemoryError(), FailureReason.OUT_OF_MEMORY),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), FailureReason.OUT_OF_MEMORY),
    ],
)
def test_whatever_a_method_raises_ends_as_a_failure(
    scripted: Callable[..., Explainer], make_task: MakeTask, error: BaseException, reason: FailureReason
) -> None:
    def body(*_: object) -> Body:
        raise error

    assert failure(run(scripted(body), make_task(method="scripted"))).reason is reason


@pytest.mark.parametrize(
    ("attribution", "text"),
    [
        (lambda image: Attribution(0, image, 1.0, True), "must have the image's shape"),
        (lambda image: Attribution(0, image[0] * float("nan"), 1.0, True), "must be finite"),
        (lambda image: Attribution(0, image[0], 1.0, True), "targets [2] got no map"),
        (lambda image: image, "must yield Attribution"),
    ],
)
def test_a_wrong_result_is_a_failure_that_says_what_to_mend(
    scripted: Callable[..., Explainer], make_task: MakeTask, attribution: Callable[[Any], Any], text: str
) -> None:
    def body(model: Any, image: Any, targets: Any, job: Any) -> Body:  # noqa: ANN401
        yield attribution(image)

    last = failure(run(scripted(body), make_task(method="scripted")))
    assert last.reason is FailureReason.INVALID_RESULT
    assert text in last.message


def test_impossible_progress_is_a_wrong_result(scripted: Callable[..., Explainer], make_task: MakeTask) -> None:
    def body(model: Any, image: Any, targets: Any, job: Any) -> Body:  # noqa: ANN401
        job.progress(5, 4)
        yield from ()

    last = failure(run(scripted(body), make_task(method="scripted")))
    assert last.reason is FailureReason.INVALID_RESULT
    assert "0 <= done <= total" in last.message


def test_a_method_that_changes_its_image_or_its_map_later_harms_nobody(
    scripted: Callable[..., Explainer], make_task: MakeTask
) -> None:
    def body(model: Any, image: Any, targets: Any, job: Any) -> Body:  # noqa: ANN401
        values = image[0]
        for target in targets:
            yield Attribution(target, values, 1.0, True)
            values += 100

    explainer = scripted(body)
    first = run(explainer, make_task(method="scripted", targets=(0,)))
    again = run(explainer, make_task(method="scripted", targets=(0, 2)))
    np.testing.assert_array_equal(maps(first, 0)[0].heatmap, maps(again, 0)[0].heatmap)
    assert maps(again, 2)[0].heatmap.min() >= 100


def test_an_altered_copy_of_a_network_is_refused_without_naming_the_machines_folders(
    explainer: Explainer, make_task: MakeTask, save_network: Callable[..., ModelRef]
) -> None:
    ref = save_network("altered")
    ref.path.write_bytes(ref.path.read_bytes() + b"x")
    last = failure(run(explainer, make_task(model=ref)))
    assert last.reason is FailureReason.METHOD
    assert "could not be loaded" in last.message
    assert str(ref.path) not in last.message
    assert "checksum" in (last.details or "")
    assert explainer.warm == ()


def test_a_window_too_large_for_the_network_is_not_applicable(explainer: Explainer, make_task: MakeTask) -> None:
    last = failure(run(explainer, make_task(parameters={"window": 50})))
    assert last.reason is FailureReason.NOT_APPLICABLE
    assert "50 pixels" in last.message


def spoils_weights(model: Any, image: Any, targets: Any, job: Any) -> Body:  # noqa: ANN401
    for parameter in model.network.parameters():
        parameter.data.mul_(3)
    yield Attribution(targets[0], torch.zeros_like(image[0]), 1.0, final=True)
    raise ZeroDivisionError


def spoils_modes(model: Any, image: Any, targets: Any, job: Any) -> Body:  # noqa: ANN401
    torch.set_default_dtype(torch.float64)
    model.network.train()
    torch.set_num_threads(7)
    torch.use_deterministic_algorithms(True)
    raise ZeroDivisionError
    yield


def spoils_quietly(model: Any, image: Any, targets: Any, job: Any) -> Body:  # noqa: ANN401
    for parameter in model.network.parameters():
        parameter.data.mul_(3)
    for target in targets:
        yield Attribution(target, torch.zeros_like(image[0]), 1.0, final=True)


@pytest.mark.parametrize("body", [spoils_weights, spoils_modes, spoils_quietly])
def test_what_a_strangers_method_does_to_the_network_no_other_sees(
    scripted: Callable[..., Explainer], make_task: MakeTask, body: Callable[..., Body]
) -> None:
    explainer = scripted(body)
    threads = torch.get_num_threads()
    before = maps(run(explainer, make_task(method="saliency")), 2)[0]
    run(explainer, make_task(method="scripted"))
    after = maps(run(explainer, make_task(method="saliency")), 2)[0]
    assert after.output_value == before.output_value
    np.testing.assert_array_equal(after.heatmap, before.heatmap)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_lack_of_memory_says_nothing_of_the_network(
    explainer: Explainer, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object, **__: object) -> Any:  # noqa: ANN401
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    with monkeypatch.context() as patch:
        patch.setattr(fidelity, "_outputs", no_memory)
        assert failure(run(explainer, make_task(method="deep_lift"))).reason is FailureReason.OUT_OF_MEMORY
    done(run(explainer, make_task(method="deep_lift")))
