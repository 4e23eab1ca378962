"""What must be true when the last request has ended: nothing is left of any."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psutil

from .asks import Ask, Behaviour, Served, xrays
from .calls import Calls
from .driver import Driver
from .family import Family, processor_share
from .gateway import Gateway
from .verdict import judge

__all__ = ["idle_workers", "nothing_left", "room_for_all"]

_SECONDS = 3.0
_MOST_SHARE = 0.05
_GONE_S = 10.0


def _check(found: str, good: bool) -> dict[str, Any]:
    return {"found": found, "good": good}


async def idle_workers(family: Family) -> dict[str, Any]:
    """Measure what the workers' processors do."""
    workers = family.workers()
    shares = await asyncio.to_thread(processor_share, workers, _SECONDS)
    worst = max(shares.values(), default=0.0)
    return _check(
        f"at most {worst:.1%} of a processor per worker over {_SECONDS:.0f} s", bool(shares) and worst < _MOST_SHARE
    )


async def room_for_all(callers: list[Calls], served: Served, max_jobs: int) -> dict[str, Any]:
    """Ask for as many jobs at once as may run: if one of the run were still there, one of these would be refused."""
    from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb

    (file,) = xrays(0, 1)
    driver = Driver(callers, over=lambda: True)  # refused once is refused
    request = pb.ExplainRequest(xray={"file": file}, models=[served.networks[0]], methods=[{"name": "saliency"}])

    async def one(number: int) -> bool:
        course = await driver.take(Ask(number, Behaviour.PLAIN, request, number % len(callers)))
        return not course.given_up and not judge(course).violations

    taken = sum(await asyncio.gather(*(one(number) for number in range(max_jobs))))
    return _check(f"{taken} of {max_jobs} jobs asked for at once were taken and done", taken == max_jobs)


def nothing_left(gateway: Gateway, family: list[psutil.Process]) -> dict[str, Any]:
    """Look for processes that outlive the gateway, once it was stopped."""
    end = time.monotonic() + _GONE_S
    while (left := [one for one in family if one.is_running()]) and time.monotonic() < end:
        time.sleep(0.2)
    return _check(
        f"gateway stopped with code {gateway.exit_code}, {len(left)} processes left",
        not left and gateway.exit_code == 0,
    )
