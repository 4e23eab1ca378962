"""A bounded load on a gateway: 64 clients that cancel, leave, come back and run out of time while workers are killed.

    python -m benchmarks.load MODEL_REPOSITORY [--seconds 300]

Every request is accounted for. Prints a table and writes docs/reliability.json; exit code 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import grpc
import psutil
from radiolucent.protos.radiolucent.v1 import model_pb2, model_pb2_grpc

from .loading.afterwards import idle_workers, nothing_left, room_for_all
from .loading.asks import CALLERS, Served, draw, xrays
from .loading.calls import Calls, connected
from .loading.driver import Driver
from .loading.family import Family
from .loading.figures import Account, memory_rows
from .loading.gateway import gateway
from .loading.table import table
from .loading.verdict import judge

_SAMPLE_S = 3.0
_KILLS_UNTIL = 0.6
"""Share of the time in which workers are killed; behind it, one lives long enough for its memory to be judged."""
_DRAIN_S = 260.0
_SETTLE_S = 3.0


class Run:
    """One run on a gateway that serves.

    Parameters
    ----------
    options
        Of the command line.
    family
        The gateway's processes.
    """

    def __init__(self, options: argparse.Namespace, family: Family) -> None:
        self._options = options
        self._family = family
        self._started = time.monotonic()
        self._numbers: Iterator[int] = count()
        self._files = xrays(options.seed)
        self._driver: Driver
        self._served: Served
        self.account = Account()
        self.kills: list[float] = []

    async def __call__(self, address: str) -> dict[str, Any]:
        """Keep the streams going, and return the figures."""
        options = self._options
        self._served = await _served(address)
        async with connected(address, CALLERS) as callers:
            self._driver = Driver(callers, over=self._over)
            aside = [asyncio.create_task(work) for work in (self._sample(), self._kill(), self._tell())]
            streams = [asyncio.create_task(self._stream()) for _ in range(options.streams)]
            try:
                _, hanging = await asyncio.wait(streams, timeout=options.seconds + _DRAIN_S)
                self.account.violations += ["a stream hangs"] * len(hanging)
                for one in streams:
                    if one.done() and not one.cancelled() and (error := one.exception()) is not None:
                        self.account.violations.append(f"a client broke down: {error!r}")
                ended = time.monotonic() - self._started
                afterwards = await self._afterwards(callers)
            finally:
                for one in (*aside, *streams):
                    one.cancel()
                await asyncio.gather(*aside, *streams, return_exceptions=True)
        return {
            "run": {
                "seconds": options.seconds,
                "streams": options.streams,
                "max_jobs": options.max_jobs,
                "workers": options.workers,
                "kills": len(self.kills),
                "kill_every": options.kill_every,
                "kills_until": _KILLS_UNTIL * options.seconds,
                "seed": options.seed,
                "networks": list(self._served.networks),
                "drained_after_seconds": round(ended - options.seconds, 1),
            },
            **self.account.document(),
            "afterwards": afterwards,
            "memory": memory_rows(self._family.lives, ended),
        }

    def _over(self) -> bool:
        return time.monotonic() - self._started > self._options.seconds

    async def _stream(self) -> None:
        while not self._over():
            ask = draw(self._options.seed, next(self._numbers), self._served, self._files)
            course = await self._driver.take(ask)
            self.account.take(course, judge(course, self.kills))

    async def _sample(self) -> None:
        while True:
            await asyncio.to_thread(self._family.sample)
            await asyncio.sleep(_SAMPLE_S)

    async def _kill(self) -> None:
        random = Random(self._options.seed)  # noqa: S311 - no secret
        while True:
            await asyncio.sleep(self._options.kill_every * random.uniform(0.8, 1.2))
            if time.monotonic() - self._started > _KILLS_UNTIL * self._options.seconds:
                return
            workers = await asyncio.to_thread(self._family.workers)
            if workers:
                self.kills.append(time.monotonic())
                random.choice(workers).kill()

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(10)
            done, wrong = sum(self.account.outcomes.values()), len(self.account.violations)
            past = time.monotonic() - self._started
            sys.stderr.write(f"{past:.0f} s: {done} requests, {wrong} violations, {len(self.kills)} kills\n")

    async def _afterwards(self, callers: list[Calls]) -> dict[str, Any]:
        await asyncio.sleep(_SETTLE_S)
        return {
            "workers idle": await idle_workers(self._family),
            "no job left": await room_for_all(callers, self._served, self._options.max_jobs),
        }


async def _served(address: str) -> Served:
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = model_pb2_grpc.ModelServiceStub(channel)
        models = (await stub.ListModels(model_pb2.ListModelsRequest())).models
    voting = [one for one in models if one.votes]
    return Served(tuple(one.model.name for one in voting), tuple(label.name for label in voting[0].labels))


def main() -> None:
    """Run, print the table, write the document; exit code 1 if something is not as promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", type=Path, nargs="?", default=Path("build/demo/model_repository"))
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--max-jobs", type=int, default=40, help="below the streams, so that some are refused")
    parser.add_argument("--kill-every", type=float, default=20.0, help="seconds between kills of a worker")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "reliability.json")
    parser.add_argument("--log", type=Path, default=Path("build/load/gateway.log"))
    options = parser.parse_args()
    if not options.repository.exists():
        sys.exit(f"there is no {options.repository}: run `make demo` first, or give a model repository")
    settings = {
        "workers": options.workers,
        "worker_threads": 1,
        "max_jobs": options.max_jobs,
        # Short, so that what is kept is as much after warm-up as at the end.
        "retention_seconds": max(8.0, min(30.0, 0.1 * options.seconds)),
    }
    # Also then the gateway is stopped, and waited for.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with gateway(options.repository, options.log, settings) as running:
        family = Family(running.process, time.monotonic())
        document = asyncio.run(Run(options, family)(running.address))
        members = running.family()
    document["afterwards"]["nothing left"] = nothing_left(running, members)
    document["machine"] = {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "memory GiB": round(psutil.virtual_memory().total / 2**30),
        "Python": platform.python_version(),
        **{name: version(name) for name in ("radiolucent", "torch", "ray", "grpcio", "nvidia-pytriton")},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(table(document))
    good = not document["violations"] and all(one["good"] for one in document["afterwards"].values())
    sys.exit(0 if good and all(row["flat"] is not False for row in document["memory"]) else 1)


if __name__ == "__main__":
    main()
