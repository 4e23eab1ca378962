"""A full queue, a server that stops and one that comes back: what a caller need not write, and what he is told."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator

import grpc
import pytest
from google.rpc import code_pb2
from radiolucent.client import (
    AsyncClient,
    Busy,
    Classified,
    Client,
    JobLost,
    JobState,
    Summary,
    Unavailable,
)
from radiolucent.protos import explanation_pb2

FAILED = explanation_pb2.JOB_STATE_FAILED
CANCELLED = explanation_pb2.JOB_STATE_CANCELLED


@pytest.fixture
def client(fake) -> Iterator[Client]:
    with Client(fake.address) as client:
        yield client


# A full queue.


def test_an_explanation_waits_for_a_full_queue_and_is_the_same_request(client, fake, xray) -> None:
    fake.busy_times = 3
    assert client.explain(xray, ["occlusion"]).result().summary.state is JobState.DONE
    assert len(fake.requests) == 4
    assert len({request.request_id for request in fake.requests}) == 1


async def test_the_asynchronous_client_waits_too(fake, xray) -> None:
    fake.busy_times = 3
    async with AsyncClient(fake.address) as client:
        assert (await client.explain(xray, ["occlusion"]).result()).summary.state is JobState.DONE
        fake.busy_times = 2
        await client.classify(xray)
        assert await client.plan(xray, ["occlusion"])


async def test_many_explanations_at_once_all_come_through_a_small_queue(fake, xray) -> None:
    fake.busy_times = 40
    async with AsyncClient(fake.address) as client:
        results = await asyncio.gather(*(client.explain(xray, ["occlusion"]).result() for _ in range(30)))
    assert {result.summary.state for result in results} == {JobState.DONE}
    assert len(fake.requests) == 70


def test_a_wait_is_told_to_who_listens(client, fake, xray, caplog) -> None:
    fake.busy_times = 1
    with caplog.at_level("INFO", logger="radiolucent.client"):
        client.classify(xray)
    assert [record.message[:34] for record in caplog.records] == ["the queue is full; asking again in"]


def test_a_classification_waits_for_a_full_queue(client, fake, xray) -> None:
    fake.busy_times = 2
    assert client.classify(xray).majority
    assert len(fake.classified) == 3


def test_the_wait_is_as_long_as_the_server_says(client, fake, xray) -> None:
    fake.busy_times, fake.busy_ms = 1, 600
    started = time.monotonic()
    client.explain(xray, ["occlusion"]).result()
    assert time.monotonic() - started >= 0.6


@pytest.mark.parametrize(
    "ask",
    [
        lambda client, xray: client.classify(xray, timeout=10),
        lambda client, xray: client.plan(xray, ["occlusion"], timeout=10),
        lambda client, xray: client.explain(xray, ["occlusion"], timeout=10).result(),
    ],
)
def test_where_time_is_too_short_for_the_wait_the_refusal_is_raised_at_once(client, fake, xray, ask) -> None:
    fake.busy_times, fake.busy_ms = 1, 30_000
    started = time.monotonic()
    with pytest.raises(Busy, match="the queue is full") as caught:
        ask(client, xray)
    assert caught.value.retry_after_s == 30
    assert time.monotonic() - started < 9


@pytest.mark.parametrize("reconnect", [False, True])
def test_who_does_not_want_to_wait_is_told_when_to_come_back(fake, xray, reconnect) -> None:
    with Client(fake.address, wait_when_busy=False) as client:
        for ask in (
            lambda: client.classify(xray),
            lambda: client.explain(xray, ["occlusion"], reconnect=reconnect).result(),
        ):
            fake.busy_times = 1
            with pytest.raises(Busy) as caught:
                ask()
            assert caught.value.retry_after_s == pytest.approx(0.02)
    assert len(fake.classified) == len(fake.requests) == 1


def test_leaving_while_the_queue_is_full_ends_the_wait_and_starts_nothing(client, fake, xray) -> None:
    fake.busy_times, fake.busy_ms = 1, 30_000
    stream = client.explain(xray, ["occlusion"], reconnect=True)
    leaving = threading.Timer(0.3, stream.close)
    leaving.start()
    started = time.monotonic()
    assert list(stream) == []
    assert time.monotonic() - started < 10
    leaving.join()
    assert len(fake.requests) == 1
    assert fake.cancelled == []


async def test_leaving_while_the_queue_is_full_ends_the_asynchronous_wait_too(fake, xray) -> None:
    fake.busy_times, fake.busy_ms = 1, 30_000
    async with AsyncClient(fake.address) as client:
        stream = client.explain(xray, ["occlusion"], reconnect=True)
        task = asyncio.create_task(stream.result())
        while not fake.requests:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        await stream.close()
        assert (await asyncio.wait_for(task, 10)).summary is None
    assert len(fake.requests) == 1


def test_a_job_that_found_triton_overloaded_is_asked_for_again(client, fake, xray) -> None:
    fake.ends = [(0, FAILED, code_pb2.RESOURCE_EXHAUSTED)]
    result = client.explain(xray, ["occlusion"]).result()
    assert result.summary.state is JobState.DONE
    assert len(fake.requests) == 2


# A server that stops, or whose Triton is gone.


def test_a_job_that_failed_raises_what_the_server_says(client, fake, xray) -> None:
    fake.ends = [(0, FAILED, code_pb2.UNAVAILABLE)]
    with pytest.raises(Unavailable, match="the server is stopping"):
        client.explain(xray, ["occlusion"]).result()
    assert len(fake.requests) == 1


def test_a_job_that_found_no_triton_is_asked_for_again_until_there_is_one(client, fake, xray) -> None:
    fake.ends = [(0, FAILED, code_pb2.UNAVAILABLE)] * 2
    events = list(client.explain(xray, ["occlusion"], reconnect=True))
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert events[-1].state is JobState.DONE
    assert len(fake.requests) == 3
    assert fake.watches == []


def test_a_job_that_never_finds_triton_is_given_up_and_not_sent_once_more_to_be_stopped(
    client, fake, xray, monkeypatch
) -> None:
    monkeypatch.setattr("radiolucent.client.patience._backoff", lambda state: 0.01)
    fake.ends = [(0, FAILED, code_pb2.UNAVAILABLE)] * 100
    with pytest.raises(Unavailable), client.explain(xray, ["occlusion"], reconnect=True) as stream:
        next(stream)
    assert len(fake.requests) == 16
    assert fake.cancelled == []


async def test_the_asynchronous_client_asks_again_too(fake, xray) -> None:
    fake.ends = [(0, FAILED, code_pb2.UNAVAILABLE)] * 2
    async with AsyncClient(fake.address) as client:
        result = await client.explain(xray, ["occlusion"], reconnect=True).result()
    assert result.summary.state is JobState.DONE


@pytest.mark.parametrize("reconnect", [False, True])
def test_a_server_that_stops_delivers_what_it_has_then_says_so(client, fake, xray, reconnect) -> None:
    fake.ends = [(3, CANCELLED, code_pb2.UNAVAILABLE)]
    events = []
    with pytest.raises(Unavailable, match="the server is stopping"):
        events.extend(iter(client.explain(xray, ["occlusion"], reconnect=reconnect)))
    assert [event.sequence for event in events] == [1, 2, 3, 4]
    assert isinstance(events[-1], Summary)
    assert len(fake.requests) == 1  # once something has come, a second job is not started behind the caller's back


def test_the_error_of_a_result_has_what_came_before(client, fake, xray) -> None:
    fake.ends = [(3, CANCELLED, code_pb2.UNAVAILABLE)]
    with pytest.raises(Unavailable) as caught:
        client.explain(xray, ["occlusion"]).result()
    assert caught.value.so_far.classification.majority
    assert [heatmap.model.name for heatmap in caught.value.so_far.heatmaps] == ["net_a"]
    assert caught.value.so_far.summary.state is JobState.CANCELLED


async def test_the_error_of_an_asynchronous_result_has_it_too(fake, xray) -> None:
    fake.ends = [(3, CANCELLED, code_pb2.UNAVAILABLE)]
    async with AsyncClient(fake.address) as client:
        with pytest.raises(Unavailable) as caught:
            await client.explain(xray, ["occlusion"]).result()
    assert [heatmap.model.name for heatmap in caught.value.so_far.heatmaps] == ["net_a"]


def test_watching_a_job_that_failed_says_why_and_does_not_ask_for_ever(client, fake, xray) -> None:
    client.explain(xray, ["occlusion"]).result()
    fake.ends = [(0, FAILED, code_pb2.UNAVAILABLE)]
    events = []
    with pytest.raises(Unavailable):
        events.extend(iter(client.watch("job-1", reconnect=True)))
    assert [event.state for event in events] == [JobState.FAILED]
    assert len(fake.watches) == 1


# A new server that does not know the job.


def test_a_job_of_which_nothing_came_is_started_anew_where_the_server_was_restarted(client, fake, xray) -> None:
    fake.heartbeat_first, fake.breaks, fake.forgets = True, [(0, grpc.StatusCode.UNAVAILABLE)], True
    events = list(client.explain(xray, ["occlusion"], reconnect=True))
    assert isinstance(events[0], Classified)
    assert events[-1].state is JobState.DONE
    assert len(fake.watches) == 1  # its id was known from a heartbeat, and the new server does not know it
    assert len(fake.requests) == 2


def test_a_job_of_which_something_came_is_lost_and_what_came_is_kept(client, fake, xray) -> None:
    fake.breaks, fake.forgets = [(3, grpc.StatusCode.UNAVAILABLE)], True
    with pytest.raises(JobLost, match="after event 3, and the server no longer has the job") as caught:
        client.explain(xray, ["occlusion"], reconnect=True).result()
    assert [heatmap.model.name for heatmap in caught.value.so_far.heatmaps] == ["net_a"]
    assert len(fake.requests) == 1


def test_a_server_that_stays_away_is_given_up_after_a_bounded_number_of_attempts(xray, monkeypatch) -> None:
    monkeypatch.setattr("radiolucent.client.patience._backoff", lambda state: 0.01)
    with Client("127.0.0.1:1") as client, pytest.raises(Unavailable):
        client.explain(xray, ["occlusion"], reconnect=True).result()


# The command line.


def test_a_command_whose_server_stops_says_so_and_keeps_what_came(program, fake, xray, tmp_path) -> None:
    fake.ends = [(5, CANCELLED, code_pb2.UNAVAILABLE)]
    ran = program("explain", xray, "--method", "occlusion", "--out", tmp_path / "o", "--address", fake.address)
    assert ran.code == 3
    assert "radiolucent: the server is stopping" in ran.err
    assert json.loads((tmp_path / "o" / "result.json").read_text())["state"] == "cancelled"


def test_a_command_whose_job_is_lost_blames_the_server_and_not_the_input(program, fake, xray) -> None:
    fake.breaks, fake.forgets = [(3, grpc.StatusCode.UNAVAILABLE)], True
    ran = program("explain", xray, "--method", "occlusion", "--reconnect", "--address", fake.address)
    assert ran.code == 3
    assert "the server no longer has the job" in ran.err
