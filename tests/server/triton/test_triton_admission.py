"""Places at Triton are bounded, and stay taken until Triton has answered."""

from __future__ import annotations

import asyncio

import pytest
from radiolucent.server.triton.admission import Admission
from radiolucent.server.triton.errors import TritonOverloaded, TritonTimeout


class Slow:
    """Calls that end when told."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.running += 1
        self.most = max(self.most, self.running)
        await self.go.wait()
        self.running -= 1
        return self.most


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_run_at_once_than_there_are_places() -> None:
    admission, slow = Admission(3, 10), Slow()
    calls = [asyncio.create_task(admission.run(slow, 5)) for _ in range(9)]
    await settle()
    assert slow.running == 3
    slow.go.set()
    await asyncio.gather(*calls)
    assert slow.most == 3
    assert admission.admitted == 0


async def test_a_full_queue_refuses_at_once() -> None:
    admission, slow = Admission(1, 1), Slow()
    calls = [asyncio.create_task(admission.run(slow, 5)) for _ in range(2)]
    await settle()
    with pytest.raises(TritonOverloaded):
        await admission.run(slow, 5)
    slow.go.set()
    await asyncio.gather(*calls)


async def test_a_caller_that_gave_up_keeps_the_place_until_triton_answers() -> None:
    admission, slow = Admission(1, 5), Slow()
    with pytest.raises(TritonTimeout):
        await admission.run(slow, 0.01)
    assert slow.running == 1
    assert admission.admitted == 1
    slow.go.set()
    await settle()
    assert admission.admitted == 0


async def test_a_cancelled_caller_keeps_the_place_until_triton_answers() -> None:
    admission, slow = Admission(1, 5), Slow()
    call = asyncio.create_task(admission.run(slow, 5))
    await settle()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (slow.running, admission.admitted) == (1, 1)
    slow.go.set()
    await settle()
    assert admission.admitted == 0


async def test_a_caller_that_gave_up_in_the_queue_never_reaches_triton() -> None:
    admission, slow = Admission(1, 5), Slow()
    first = asyncio.create_task(admission.run(slow, 5))
    await settle()
    waiting = asyncio.create_task(admission.run(slow, 5))
    await settle()
    waiting.cancel()
    with pytest.raises(TritonTimeout):
        await admission.run(slow, 0.01)
    await settle()
    assert admission.admitted == 1
    slow.go.set()
    assert await first == 1


async def test_an_error_reaches_its_caller_and_frees_the_place() -> None:
    async def fail() -> int:
        raise ValueError("no")

    admission = Admission(1, 0)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            await admission.run(fail, 5)


async def test_closing_ends_what_is_under_way() -> None:
    admission, slow = Admission(1, 5), Slow()
    calls = [asyncio.create_task(admission.run(slow, 5)) for _ in range(2)]
    await settle()
    await admission.close()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers)
