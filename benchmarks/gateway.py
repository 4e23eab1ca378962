"""What the gateway costs: Classify against the same ensemble asked directly, time to the first heatmap, memory.

Both sides are asked in turn, in one run, with the same X-ray: ratios hold on a noisy machine.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import psutil
import tritonclient.grpc.aio as triton
from radiolucent.client import AsyncClient, Heatmap
from radiolucent.client.local_server import local_server
from rich.console import Console

from .context import Context
from .ratios import spread

TITLE = "The gateway beside Triton alone"

FIRST = ("class_activation_map", "saliency", "integrated_gradients", "occlusion")
"""Methods whose first heatmap is waited for."""
_PAUSE_S = 1.0
"""After such a request, so that nothing of what was left is still at work in the next."""

Ask = Callable[[], Awaitable[object]]


def free_port() -> int:
    """Find a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def latency(sides: dict[str, Ask], rounds: int) -> dict[str, list[float]]:
    """Ask one at a time, in turn."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, ask in sides.items():
            start = perf_counter()
            await ask()
            times[name].append(perf_counter() - start)
    return times


async def throughput(ask: Ask, concurrency: int, requests: int) -> float:
    """Ask several at a time; requests per second."""
    waiting = iter(range(requests))

    async def worker() -> None:
        for _ in waiting:
            await ask()

    start = perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return requests / (perf_counter() - start)


async def _figures(
    address: str, direct_address: str, file: bytes, rounds: int, gateway: psutil.Process
) -> dict[str, Any]:
    """Measure everything on a running gateway."""
    image = triton.InferInput("IMAGE", [1, 1], "BYTES")
    image.set_data_from_numpy(np.array([[file]], dtype=np.object_))
    async with AsyncClient(address) as client, triton.InferenceServerClient(direct_address) as direct:
        sides: dict[str, Ask] = {
            "gateway": lambda: client.classify(file),
            "triton": lambda: direct.infer("chest_xray", [image]),
        }
        await latency(sides, 3)  # warm-up
        times = await latency(sides, rounds)
        rates: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(3):
            for name, ask in sides.items():
                rates[name].append(await throughput(ask, 8, 32))
        first: dict[str, list[float]] = {method: [] for method in FIRST}
        for number in range(1 + rounds // 5):
            for method in FIRST:
                seconds = await _first_heatmap(client, file, method)
                await asyncio.sleep(_PAUSE_S)
                if number:  # the first is the workers' warm-up
                    first[method].append(seconds)
        answer = await client.classify(file)
    p50 = {name: statistics.median(values) for name, values in times.items()}
    pairs = [g / t for g, t in zip(times["gateway"], times["triton"], strict=True)]
    rate = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "p50_ms": {name: 1000 * value for name, value in p50.items()},
        "p50_ratio": p50["gateway"] / p50["triton"],
        "pair_ratio_quartiles": statistics.quantiles(pairs, n=4),
        "images_per_second_at_8": rate,
        "throughput_ratio": rate["gateway"] / rate["triton"],
        "first_heatmap_ms": {name: spread([1000 * one for one in seconds]) for name, seconds in first.items()},
        "memory_mib": memory(gateway),
        "members": [str(member) for member in answer.model_set.members],
    }


async def _first_heatmap(client: AsyncClient, file: bytes, method: str) -> float:
    start = perf_counter()
    async with client.explain(file, method, partial=True) as stream:
        async for event in stream:
            if isinstance(event, Heatmap):
                return perf_counter() - start
    raise ValueError(f"{method} gave no heatmap")


def memory(gateway: psutil.Process) -> dict[str, float]:
    """Resident memory of every process of the gateway, MiB; what processes share counts in each."""
    sizes: dict[str, float] = {}
    for process in [gateway, *gateway.children(recursive=True)]:
        arguments = process.cmdline()
        name = (
            "gateway"
            if process.pid == gateway.pid
            else Path(arguments[0].split()[0]).name
            if arguments
            else process.name()
        )
        sizes[name] = sizes.get(name, 0.0) + process.memory_info().rss / 2**20
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def measure(context: Context) -> dict[str, Any]:
    """Start the gateway on the model set, and measure."""
    port = free_port()
    os.environ["RADIOLUCENT_TRITON_PORT"] = str(port)  # the default is a socket for the gateway alone
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.pop(name, None)  # it serves as it does by default
    rounds = 15 if context.short else 60
    with local_server(context.repository, Console(stderr=True)) as address:
        context.say("the gateway serves")
        gateway = next(p for p in psutil.Process().children() if "serve" in p.cmdline())
        file = context.films[0].read_bytes()
        return {"rounds": rounds, **asyncio.run(_figures(address, f"127.0.0.1:{port}", file, rounds, gateway))}


def markdown(measured: Mapping[str, Any]) -> str:
    """Write the tables."""
    latencies, rates = measured["p50_ms"], measured["images_per_second_at_8"]
    rows = [
        ("Classify, p50 at concurrency 1, ms", latencies, measured["p50_ratio"], "at most 1.05"),
        ("images per second at concurrency 8", rates, measured["throughput_ratio"], "at least 0.95"),
    ]
    reached = (measured["p50_ratio"] <= 1.05, measured["throughput_ratio"] >= 0.95)
    low, middle, high = measured["pair_ratio_quartiles"]
    lines = [
        "The gateway and Triton are asked in turn, in one run, with the same X-ray: what a `Classify` through the "
        "gateway costs beside the ensemble asked directly (a second hop, the header check, messages to and from "
        "Python), the time to the first heatmap, and the memory of every process.",
        "",
        "| measure | gateway | Triton directly | ratio | aim |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {found['gateway']:.1f} | {found['triton']:.1f} | {ratio:.3f} | {aim}: "
        f"{'reached' if good else '**missed**'} |"
        for (name, found, ratio, aim), good in zip(rows, reached, strict=True)
    ]
    lines += [
        "",
        f"Ratio pair by pair, {measured['rounds']} of them: median {middle:.3f}, quartiles {low:.3f} and {high:.3f}. "
        f"First heatmaps, of whichever network comes first, were measured in turn, one request at a time, on warm "
        f"workers: from the question to the heatmap, the classification by all networks included.",
        "",
        "| method | first heatmap after, ms, with quartiles |",
        "|---|---|",
        *(
            f"| {name} | {one['median']:.0f} ({one['low']:.0f} to {one['high']:.0f}) |"
            for name, one in measured["first_heatmap_ms"].items()
        ),
        "",
        "| processes | resident memory, MiB |",
        "|---|---|",
        *(f"| {name} | {value:.0f} |" for name, value in measured["memory_mib"].items()),
        "",
        "`triton_python_backend_stub` is the sum of the Python processes in Triton: the networks, preprocess and vote. "
        "`python` is the guard and Ray's helpers. Members: " + ", ".join(measured["members"]) + ".",
    ]
    return "\n".join(lines)
