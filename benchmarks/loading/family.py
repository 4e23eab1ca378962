"""The processes of a gateway: who they are, what memory they take, whether they idle."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil

__all__ = ["Family", "Life", "processor_share", "role"]

_MIB = 2**20
WORKER = "ray::ExplanationWorker"


@dataclass
class Life:
    """One process from its first sample to its last.

    Attributes
    ----------
    role, pid
        Who it is.
    times
        When it was looked at, seconds since the start of the run.
    rss, uss
        Resident memory, and the part that is its own, MiB.
    """

    role: str
    pid: int
    times: list[float] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)
    uss: list[float] = field(default_factory=list)


def role(process: psutil.Process, gateway: int) -> str:
    """Name a process by what it does."""
    if process.pid == gateway:
        return "gateway"
    arguments = process.cmdline()
    if not arguments:
        return process.name()
    first = arguments[0].split()[0]
    if Path(first).name == "triton_python_backend_stub":
        # Its first argument is .../models/resnet18@1/1/model.onnx
        return f"Triton's Python, {Path(arguments[1]).parents[1].name}"
    if Path(first).name.startswith("python"):
        module = next((after for one, after in pairwise(arguments) if one == "-m"), "")
        script = next((Path(one).name for one in arguments[1:] if one.endswith(".py")), "")
        return module or script or "python"
    # Ray shows what a process is doing behind a dot.
    return first.split(".")[0] if "::" in first else Path(first).name


class Family:
    """Samples the memory of every process of a gateway.

    Parameters
    ----------
    gateway
        Its process.
    started
        Start of the run, seconds of the monotonic clock.
    """

    def __init__(self, gateway: psutil.Process, started: float) -> None:
        self._gateway = gateway
        self._started = started
        self._lives: dict[tuple[int, float], Life] = {}

    @property
    def lives(self) -> list[Life]:
        """Every process that was seen, in the order in which it came."""
        return list(self._lives.values())

    def members(self) -> list[psutil.Process]:
        """Return it and everything it started."""
        return [self._gateway, *self._gateway.children(recursive=True)]

    def workers(self) -> list[psutil.Process]:
        """Return the explanation workers."""
        found = []
        for process in self.members():
            with suppress(psutil.Error):  # it is gone
                if role(process, self._gateway.pid).startswith(WORKER):
                    found.append(process)
        return found

    def sample(self) -> None:
        """Look at every process once."""
        now = time.monotonic() - self._started
        for process in self.members():
            try:
                with process.oneshot():
                    key = (process.pid, process.create_time())
                    memory = process.memory_full_info()
                    life = self._lives.get(key)
                    # A process that has just forked still has its parent's name.
                    name = role(process, self._gateway.pid)
                    if process.status() == psutil.STATUS_ZOMBIE:
                        continue
            except psutil.Error:
                continue
            if life is None:
                life = self._lives[key] = Life(name, process.pid)
            life.role = name
            life.times.append(round(now, 1))
            life.rss.append(round(memory.rss / _MIB, 1))
            life.uss.append(round(memory.uss / _MIB, 1))


def processor_share(processes: Iterable[psutil.Process], seconds: float) -> dict[int, float]:
    """Measure how much of a processor each process takes, in [0, number of its threads], over some seconds."""

    def spent(process: psutil.Process) -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    before = {process: spent(process) for process in processes}
    start = time.monotonic()
    time.sleep(seconds)
    past = time.monotonic() - start
    shares = {}
    for process, then in before.items():
        with suppress(psutil.NoSuchProcess):
            shares[process.pid] = (spent(process) - then) / past
    return shares
