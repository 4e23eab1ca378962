"""What the gateway costs: Classify against the same ensemble asked directly, time to the first heatmap, memory.

Run with ``make bench``. Both sides are asked in turn, in one run, with the same X-ray: ratios hold on a noisy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import statistics
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
import tritonclient.grpc.aio as triton
from radiolucent.client import AsyncClient, Heatmap
from radiolucent.client.local_server import local_server
from rich.console import Console

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


async def measure(
    address: str, direct_address: str, file: bytes, rounds: int, gateway: psutil.Process
) -> dict[str, object]:
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
        first: dict[str, float] = {}
        for method in ("saliency", "integrated_gradients", "occlusion"):
            start = perf_counter()
            async with client.explain(file, method, partial=True) as stream:
                async for event in stream:
                    if isinstance(event, Heatmap):
                        first[method] = perf_counter() - start
                        break
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
        "first_heatmap_ms": {name: 1000 * value for name, value in first.items()},
        "memory_mib": memory(gateway),
        "members": [str(member) for member in answer.model_set.members],
    }


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


def table(figures: dict[str, object]) -> str:
    """Write the figures as Markdown."""
    f = figures
    rows = [
        (
            "Classify, p50 at concurrency 1, ms",
            f["p50_ms"]["gateway"],
            f["p50_ms"]["triton"],
            f["p50_ratio"],
            "at most 1.05",
        ),
        (
            "images per second at concurrency 8",
            f["images_per_second_at_8"]["gateway"],
            f["images_per_second_at_8"]["triton"],
            f["throughput_ratio"],
            "at least 0.95",
        ),
    ]
    lines = ["| measure | gateway | Triton directly | ratio | aim |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {own:.1f} | {direct:.1f} | {ratio:.3f} | {aim} |" for name, own, direct, ratio, aim in rows]
    low, middle, high = f["pair_ratio_quartiles"]
    lines += ["", f"Ratio pair by pair: median {middle:.3f}, quartiles {low:.3f} and {high:.3f}.", ""]
    lines += ["| method | first heatmap after, ms (classification included) |", "|---|---|"]
    lines += [f"| {name} | {value:.0f} |" for name, value in f["first_heatmap_ms"].items()]
    lines += ["", "| process | resident memory, MiB |", "|---|---|"]
    lines += [f"| {name} | {value:.0f} |" for name, value in f["memory_mib"].items()]
    lines += ["", "Members: " + ", ".join(f["members"]) + "."]
    lines += ["", "Machine: " + ", ".join(f"{key} {value}" for key, value in f["machine"].items()) + "."]
    return "\n".join(lines)


def main() -> None:
    """Start the gateway on a model set, measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", type=Path, default=Path("build/demo/model_repository"))
    parser.add_argument("--xray", type=Path, default=None, help="default: the first phantom of the demo")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", type=Path, default=Path("build/bench/gateway.json"))
    options = parser.parse_args()
    xray = options.xray or next(iter(sorted(Path("build/demo/xrays/images").glob("*.png"))), None)
    if xray is None or not options.repository.exists():
        sys.exit("run `make demo` first, or give --repository and --xray")
    port = free_port()
    os.environ["RADIOLUCENT_TRITON_PORT"] = str(port)  # the default is a socket for the gateway alone
    with local_server(options.repository, Console(stderr=True)) as address:
        gateway = next(p for p in psutil.Process().children() if "serve" in p.cmdline())
        figures = asyncio.run(measure(address, f"127.0.0.1:{port}", xray.read_bytes(), options.rounds, gateway))
    figures["machine"] = {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "Python": platform.python_version(),
        **{name: version(name) for name in ("radiolucent", "onnxruntime", "nvidia-pytriton", "torch", "ray")},
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n")
    print(table(figures))


if __name__ == "__main__":
    main()
