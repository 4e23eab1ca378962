from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from radiolucent.handlers import Affine
from radiolucent.server.caller import Caller
from radiolucent.server.engine.events import JobState, ModelInput, Summary
from radiolucent.server.engine.job import Job
from radiolucent.server.engine.store import JobStore
from radiolucent.server.errors import DuplicateRequest, JobNotFound, Stopping

KIB = np.zeros((1, 16, 16), dtype=np.float32)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> JobStore:
    return JobStore(retention_seconds=60, retention_bytes=2500, clock=clock)


@pytest.fixture
def start(store: JobStore, caller: Caller) -> Callable[[str], Job]:
    def start(name: str) -> Job:
        job = Job(f"job-{name}", f"request-{name}", caller, f"asks for {name}")
        store.add(job)
        return job

    return start


def end(store: JobStore, job: Job, state: JobState = JobState.DONE) -> None:
    job.log.append(ModelInput("resnet18", 1, KIB, Affine(1, 1, 0, 0)))
    job.end(Summary(state, (), 1.0, 0.1), None, 60)
    store.ended(job)


async def test_a_job_exists_for_its_caller_alone(
    store: JobStore, start: Callable[[str], Job], caller: Caller, stranger: Caller
) -> None:
    job = start("a")
    assert store.find(caller, job.job_id) is job
    with pytest.raises(JobNotFound):
        store.find(stranger, job.job_id)
    assert store.join(stranger, job.request_id, job.fingerprint) is None


async def test_the_same_request_joins_its_job_while_it_runs_and_while_it_is_kept(
    store: JobStore, start: Callable[[str], Job], caller: Caller
) -> None:
    job = start("a")
    assert store.join(caller, "request-a", "asks for a") is job
    end(store, job)
    assert store.join(caller, "request-a", "asks for a") is job


async def test_a_request_id_of_another_request_is_refused(
    store: JobStore, start: Callable[[str], Job], caller: Caller
) -> None:
    start("a")
    with pytest.raises(DuplicateRequest):
        store.join(caller, "request-a", "asks for something else")


async def test_a_failed_request_may_be_tried_again_with_its_request_id(
    store: JobStore, start: Callable[[str], Job], caller: Caller
) -> None:
    job = start("a")
    end(store, job, JobState.FAILED)
    assert store.join(caller, "request-a", "asks for a") is None
    assert store.find(caller, job.job_id) is job


async def test_results_are_dropped_when_their_time_is_over(
    store: JobStore, start: Callable[[str], Job], caller: Caller, clock: Clock
) -> None:
    end(store, start("a"))
    clock.now += 59
    assert store.find(caller, "job-a")
    clock.now += 2
    with pytest.raises(JobNotFound):
        store.find(caller, "job-a")
    assert store.join(caller, "request-a", "asks for a") is None
    assert store.kept_bytes == 0


async def test_the_oldest_results_are_dropped_when_they_take_too_much_memory(
    store: JobStore, start: Callable[[str], Job], caller: Caller
) -> None:
    for name in "abc":
        end(store, start(name))
    assert store.kept_bytes == 2048
    with pytest.raises(JobNotFound):
        store.find(caller, "job-a")
    assert store.find(caller, "job-b")
    assert store.find(caller, "job-c")


async def test_a_running_job_is_never_dropped(
    store: JobStore, start: Callable[[str], Job], caller: Caller, clock: Clock
) -> None:
    job = start("a")
    clock.now += 1000
    assert store.find(caller, job.job_id) is job


async def test_a_closed_store_takes_nothing(store: JobStore) -> None:
    store.close()
    with pytest.raises(Stopping):
        store.admit()


async def test_results_that_are_being_read_outlive_their_time_but_not_their_room(
    store: JobStore, start: Callable[[str], Job], clock: Clock, caller: Caller
) -> None:
    read, other = start("a"), start("b")
    reader = read.watch()
    end(store, read)
    await anext(reader)
    clock.now += 100
    assert store.find(caller, read.job_id) is read
    for _ in range(3):
        other.log.append(ModelInput("resnet18", 1, KIB, Affine(1, 1, 0, 0)))
    end(store, other)
    assert read not in store
    assert read.log.nbytes == 0, "a reader that never goes on must not keep them"
    with pytest.raises(JobNotFound):
        await anext(reader)
    await reader.aclose()
