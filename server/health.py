"""What `grpc.health.v1` says of the services."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from grpc_health.v1 import health, health_pb2

__all__ = ["Health"]

_LOOK_SECONDS = 0.25


class Health:
    """Keeps the health service true.

    The whole server (the empty name) and the services that need Triton are SERVING while it is there with a model set;
    the others until the server stops.

    Parameters
    ----------
    ready
        Whether Triton is there with a model set.
    dependent, independent
        Full names of the services that need Triton, and of those that do not.
    """

    def __init__(self, ready: Callable[[], bool], dependent: Sequence[str], independent: Sequence[str]) -> None:
        self.servicer = health.aio.HealthServicer()
        self._ready = ready
        self._dependent = ("", *dependent)
        self._independent = tuple(independent)
        self._said: bool | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Say it for the first time, and keep it true from now on."""
        for name in self._independent:
            await self.servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
        await self._look()
        self._task = asyncio.ensure_future(self._keep())

    async def stop(self) -> None:
        """Say NOT_SERVING of everything, for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self.servicer.enter_graceful_shutdown()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self._look()

    async def _look(self) -> None:
        ready = self._ready()
        if ready is self._said:
            return
        self._said = ready
        answer = health_pb2.HealthCheckResponse
        for name in self._dependent:
            await self.servicer.set(name, answer.SERVING if ready else answer.NOT_SERVING)
