"""What the served networks can be explained with, found out by the workers when a network is first served."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress

from ...handlers.card import ModelCard
from ...handlers.repository import Repository
from ...plugins import Applicability, Need
from ..catalog import explainable
from .actor import WorkerLost
from .pool import WorkerPool
from .task import ModelRef

__all__ = ["Inspector"]

_LOG = logging.getLogger(__name__)


class Inspector:
    """Has every network that is served looked at once, one after the other.

    Parameters
    ----------
    pool : WorkerPool
        Whose workers look.
    repository : Repository
        Where the networks lie.
    served : callable
        Gives the cards of what is served now.
    seconds : float
        How often to ask what is served.
    """

    def __init__(
        self, pool: WorkerPool, repository: Repository, served: Callable[[], Mapping[str, ModelCard]], seconds: float
    ) -> None:
        self._pool = pool
        self._repository = repository
        self._served = served
        self._seconds = seconds
        self._found: dict[tuple[str, int], Applicability] = {}
        self._task: asyncio.Task[None] | None = None

    def found(self, card: ModelCard) -> Applicability | None:
        """Return what a network can be explained with; None while it was not looked at yet."""
        return self._found.get((card.name, card.version))

    def start(self) -> None:
        """Begin to look, behind the calls."""
        self._task = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _look(self) -> None:
        while True:
            for card in self._served().values():
                if self.found(card) is None:
                    self._found[card.name, card.version] = await self._inspect(card)
            await asyncio.sleep(self._seconds)

    async def _inspect(self, card: ModelCard) -> Applicability:
        if not explainable(card):
            return Applicability(missing=dict.fromkeys(Need, "has no TorchScript copy, so it cannot be explained"))
        try:
            found = await self._pool.inspect(ModelRef.of(card, self._repository))
        except WorkerLost as error:
            _LOG.error("a worker was lost when it looked at %s version %d (%s)", card.name, card.version, error)
            return Applicability(missing=dict.fromkeys(Need, "could not be looked at: the worker was lost over it"))
        for need, reason in found.missing.items():
            _LOG.warning("%s version %d cannot serve %s: it %s", card.name, card.version, need.value, reason)
        return found
