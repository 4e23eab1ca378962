"""The asynchronous client does what the synchronous one does."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import asyncio
import inspect

import grpc
import pytest
from radiolucent.client import (
    AsyncClient,
    AsyncExplanationStream,
    Client,
    DeadlineExceeded,
    ExplanationStream,
    InvalidRequest,
    JobLost,
    JobState,
    Summary,
    Unavailable,
)


def _public(kind: type) -> dict[str, inspect.Signature | None]:
    return {
        name: inspect.signature(member) if callable(member) else None
        for name, member in inspect.getmembers(kind)
        if not name.startswith("_")
    }


def test_both_clients_have_the_same_methods_and_arguments() -> None:
    ours, theirs = _public(Client), _public(AsyncClient)
    assert ours.keys() == theirs.keys()
    for name, signature in ours.items():
        assert signature.parameters == theirs[name].parameters, name
    assert inspect.signature(Client).parameters == inspect.signature(AsyncClient).parameters


def test_both_streams_have_the_same_methods() -> None:
    assert _public(ExplanationStream).keys() == _public(AsyncExplanationStream).keys()


async def test_calls_give_what_the_synchronous_client_gives(fake, xray) -> None:
    async with AsyncClient(fake.address) as client:
        theirs = (
            await client.classify(xray),
            await client.list_models(),
            await client.list_methods(),
            await client.server_info(),
            await client.get_model("net_a"),
            await client.get_job("job-1"),
            await client.cancel_job("job-1"),
        )

    def synchronous() -> tuple[object, ...]:
        with Client(fake.address) as client:
            return (
                client.classify(xray),
                client.list_models(),
                client.list_methods(),
                client.server_info(),
                client.get_model("net_a"),
                client.get_job("job-1"),
                client.cancel_job("job-1"),
            )

    assert theirs == await asyncio.to_thread(synchronous)


async def test_a_stream_gives_a_result(fake, xray) -> None:
    async with AsyncClient(fake.address) as client, client.explain(xray, ["occlusion"], inputs=True) as stream:
        result = await stream.result()
    assert len(result.heatmaps) == 2
    assert result.model_input("net_b").values.shape == (1, 96, 96)
    assert result.summary.state is JobState.DONE


async def test_bad_input_names_the_field(fake) -> None:
    async with AsyncClient(fake.address) as client:
        with pytest.raises(InvalidRequest) as caught:
            await client.classify(b"a letter")
        assert caught.value.violations[0].field == "xray.file"
        with pytest.raises(InvalidRequest):
            await client.explain(b"a letter", ["occlusion"]).result()


async def test_reconnecting_goes_on_after_the_last_event(fake, xray) -> None:
    fake.breaks = [(0, grpc.StatusCode.UNAVAILABLE), (3, grpc.StatusCode.UNAVAILABLE), (4, None)]
    async with AsyncClient(fake.address) as client:
        events = [event async for event in client.explain(xray, ["occlusion", "saliency"], reconnect=True)]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[-1], Summary)
    assert [watch.after_sequence for watch in fake.watches] == [3, 4]


async def test_without_reconnect_a_broken_stream_raises(fake, xray) -> None:
    fake.breaks = [(3, grpc.StatusCode.UNAVAILABLE)]
    async with AsyncClient(fake.address) as client:
        with pytest.raises(Unavailable):
            await client.explain(xray, ["occlusion"]).result()


async def test_a_job_that_the_server_forgot_is_lost(fake, xray) -> None:
    fake.breaks, fake.forgets = [(3, grpc.StatusCode.UNAVAILABLE)], True
    async with AsyncClient(fake.address) as client:
        with pytest.raises(JobLost):
            await client.explain(xray, ["occlusion"], reconnect=True).result()


async def test_cancelling_the_task_stops_a_kept_job(fake, xray) -> None:
    fake.hold_after = 2
    async with AsyncClient(fake.address) as client:
        task = asyncio.create_task(client.explain(xray, ["occlusion"], reconnect=True).result())
        while not fake.requests:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert fake.cancelled == ["job-1"]


async def test_leaving_a_stream_ends_its_call(fake, xray) -> None:
    fake.hold_after = 2
    async with AsyncClient(fake.address) as client, client.explain(xray, ["occlusion"]) as stream:
        await anext(stream)
    assert await asyncio.to_thread(fake.disconnected.wait, 5)
    assert fake.cancelled == []


async def test_closing_from_another_task_ends_the_iteration(fake, xray) -> None:
    fake.hold_after = 2
    async with AsyncClient(fake.address) as client:
        stream = client.explain(xray, ["occlusion"])
        task = asyncio.create_task(stream.result())
        while stream.last_sequence < 2:
            await asyncio.sleep(0.01)
        await stream.close()
        assert (await task).summary is None


async def test_cancelling_brings_the_summary(fake, xray) -> None:
    fake.hold_after = 2
    async with AsyncClient(fake.address) as client:
        stream = client.explain(xray, ["occlusion"])
        await anext(stream)
        await stream.cancel()
        assert (await stream.result()).summary.state is JobState.CANCELLED


async def test_a_deadline_holds_for_the_whole_stream(fake, xray) -> None:
    fake.hold_after = 2
    async with AsyncClient(fake.address) as client:
        with pytest.raises(DeadlineExceeded):
            await client.explain(xray, ["occlusion"], timeout=0.3, reconnect=True).result()


async def test_detaching_leaves_a_kept_job_running_for_another_client(fake, xray) -> None:
    fake.hold_after = 2
    async with AsyncClient(fake.address) as client:
        async with client.explain(xray, ["occlusion"], reconnect=True) as stream:
            await anext(stream)
            job_id = stream.detach()
        fake.go_on.set()
        async with AsyncClient(fake.address) as another:
            assert (await another.watch(job_id).result()).summary.state is JobState.DONE
    assert fake.cancelled == []
