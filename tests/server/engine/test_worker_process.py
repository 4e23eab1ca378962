"""A worker, without the process around it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from radiolucent.handlers.limits import MAX_PIXELS
from radiolucent.plugins import Attribution
from radiolucent.server.engine.explainer import Explainer
from radiolucent.server.engine.task import (
    FailureReason,
    ItemTask,
    WorkerDone,
    WorkerFailure,
    WorkerMap,
)
from radiolucent.server.engine.worker import ExplanationWorker, WorkerState

MakeTask = Callable[..., ItemTask]


@pytest.fixture
def worker() -> Iterator[ExplanationWorker]:
    threads = torch.get_num_threads()
    yield ExplanationWorker(1, 2**30, MAX_PIXELS, 2**36)
    torch.set_num_threads(threads)


def test_events_come_while_the_method_runs(worker: ExplanationWorker, make_task: MakeTask, png: bytes) -> None:
    events = list(worker.run(1, make_task(image=b""), png))
    *_, last, state = events
    assert isinstance(last, WorkerDone)
    assert isinstance(state, WorkerState)
    assert state.warm == worker.ping().warm == (("resnet18", 1),)
    assert (state.pid, state.runs, state.quiet_s) == (os.getpid(), 1, 0.0)
    assert 0 <= state.memory_bytes < 2**40
    assert state.sound
    assert torch.get_num_threads() == 1


def test_a_cancellation_stops_its_run_and_not_the_next(
    worker: ExplanationWorker, make_task: MakeTask, png: bytes
) -> None:
    slow = make_task(parameters={"window": 1, "stride": 1, "batch_size": 1})
    stream = worker.run(1, slow, png)
    next(stream)
    worker.cancel(1)
    *_, last, _ = stream
    assert isinstance(last, WorkerFailure)
    assert last.reason is FailureReason.CANCELLED
    assert isinstance(list(worker.run(2, make_task(), png))[-2], WorkerDone)


def test_a_cancellation_that_overtakes_its_run_counts(
    worker: ExplanationWorker, make_task: MakeTask, png: bytes
) -> None:
    worker.cancel(2)
    assert isinstance(list(worker.run(1, make_task(), png))[-2], WorkerDone)
    last = list(worker.run(2, make_task(), png))[-2]
    assert isinstance(last, WorkerFailure)
    assert last.reason is FailureReason.CANCELLED


def test_late_cancellations_do_not_pile_up(worker: ExplanationWorker, make_task: MakeTask, png: bytes) -> None:
    for run_id in range(1, 6):
        list(worker.run(run_id, make_task(method="saliency"), png))
        worker.cancel(run_id)
    assert worker._cancelled == {5}


def test_a_slow_reader_loses_partial_maps_but_no_final_one(
    worker: ExplanationWorker, make_task: MakeTask, png: bytes, scripted: Callable[..., Explainer]
) -> None:
    sent = threading.Event()

    def body(model: Any, image: Any, targets: Any, job: Any) -> Iterator[Attribution]:  # noqa: ANN401
        for step in range(500):
            yield Attribution(0, image[0], step / 500, False)
        sent.set()
        for target in targets:
            yield Attribution(target, image[0], 1.0, True)

    worker._explainer = scripted(body)
    stream = worker.run(1, make_task(method="scripted"), png)
    first = next(stream)
    assert sent.wait(10), "the method must not wait for a reader of partial maps"
    events = [first, *stream][:-1]
    assert len(events) < 30
    assert [event.target for event in events if isinstance(event, WorkerMap) and event.final] == [0, 2]
    assert isinstance(events[-1], WorkerDone)


def test_a_stream_that_is_closed_stops_its_method(worker: ExplanationWorker, make_task: MakeTask, png: bytes) -> None:
    stream = worker.run(1, make_task(parameters={"window": 1, "stride": 1, "batch_size": 1}), png)
    next(stream)
    begin = time.monotonic()
    stream.close()  # type: ignore[attr-defined]
    assert time.monotonic() - begin < 5
    assert worker._thread._work_queue.empty()
    assert isinstance(list(worker.run(2, make_task(method="saliency"), png))[-2], WorkerDone)


def test_a_worker_tells_how_long_its_method_gave_no_sign(
    worker: ExplanationWorker, make_task: MakeTask, png: bytes, scripted: Callable[..., Explainer]
) -> None:
    release = threading.Event()

    def body(model: Any, image: Any, targets: Any, job: Any) -> Iterator[Attribution]:  # noqa: ANN401
        yield Attribution(0, image[0], 0.1, False)
        release.wait(10)
        job.check()
        for target in targets:
            yield Attribution(target, image[0], 1.0, True)

    worker._explainer = scripted(body)
    stream = worker.run(1, make_task(method="scripted"), png)
    next(stream)
    time.sleep(0.3)
    assert 0.25 < worker.ping().quiet_s < 5
    release.set()
    *_, state = stream
    assert isinstance(state, WorkerState)
    assert state.quiet_s == 0.0


@pytest.mark.parametrize("breaks", ["memory", "thread"])
def test_a_worker_that_is_not_sound_any_more_says_so(
    worker: ExplanationWorker,
    make_task: MakeTask,
    png: bytes,
    scripted: Callable[..., Explainer],
    breaks: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def body(*_: object) -> Iterator[Attribution]:
        raise MemoryError

    worker._explainer = scripted(body)
    if breaks == "thread":  # not even the failure can be told
        monkeypatch.setattr(worker._explainer, "run", lambda *_: None)
    *_, last, state = worker.run(1, make_task(method="scripted"), png)
    assert isinstance(last, WorkerFailure)
    assert last.reason is (FailureReason.OUT_OF_MEMORY if breaks == "memory" else FailureReason.WORKER)
    assert isinstance(state, WorkerState)
    assert not state.sound
