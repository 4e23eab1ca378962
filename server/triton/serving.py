"""Triton as the gateway sees it: started, watched, kept loaded, asked."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from ...handlers.repository import Repository
from ...handlers.repository.triton_models import Member
from .answers import EnsembleAnswer, NetworkAnswer
from .client import ClientLimits, TritonClient
from .embedded import EmbeddedOptions, EmbeddedTriton
from .errors import NoModelSet, TritonCannotRun, TritonError, TritonStartFailed, TritonUnavailable
from .external import ExternalSets
from .kept import KeptVersions, OpenFiles, SecondNames
from .model_sets import ModelSetLoader
from .status import ServingStatus
from .view import ModelView, served_name

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 10.0
_STARTS = 3
_CONNECT_SECONDS = 10.0


@dataclass(frozen=True)
class TritonOptions:
    """How the gateway comes to its Triton.

    Attributes
    ----------
    repository
        Root of the model repository.
    external
        `grpc://host:port` of a Triton that runs elsewhere; None for an embedded one.
    embedded
        How the embedded one runs.
    limits
        How much to ask of Triton at once.
    refresh_seconds
        How often to look for new model sets.
    state_file
        Where to remember the set that serves; None for `.serving.json` in the repository.
    workers_elsewhere
        Whether networks are explained on other machines too, which share the repository.
    """

    repository: Path
    external: str | None = None
    embedded: EmbeddedOptions = field(default_factory=EmbeddedOptions)
    limits: ClientLimits = field(default_factory=ClientLimits)
    refresh_seconds: float = 5.0
    state_file: Path | None = None
    workers_elsewhere: bool = False


class TritonServing:
    """A Triton with the newest sound model set in it; started again and loaded again when it dies.

    Start it before gRPC servers take requests; use it in one event loop.

    Parameters
    ----------
    options
        Where Triton is or how to run it.
    """

    def __init__(self, options: TritonOptions) -> None:
        self._options = options
        self._repository = Repository(options.repository)
        self.kept = KeptVersions(SecondNames(self._repository.held) if options.workers_elsewhere else OpenFiles())
        """What is served, kept readable until the last request that may need it has ended."""
        self._embedded = EmbeddedTriton(options.embedded) if options.external is None else None
        self._client: TritonClient | None = None
        self._sets: ModelSetLoader | ExternalSets | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._available = False

    @property
    def address(self) -> str:
        """Where Triton's own gRPC service is."""
        return self._options.external or (self._embedded.address if self._embedded else "")

    @property
    def client(self) -> TritonClient:
        """The connection to Triton, from start to stop."""
        if self._client is None:
            raise TritonUnavailable("Triton was not started")
        return self._client

    async def start(self) -> None:
        """Start or reach Triton, load the newest sound model set, and watch both from now on.

        Raises
        ------
        TritonCannotRun
            If the embedded Triton cannot run on this machine.
        TritonStartFailed, TritonUnavailable
            If it does not start, or the external one is not there.
        NoModelSet
            If there is nothing to serve.
        """
        try:
            if self._embedded is None:
                self._client = TritonClient(self.address, self._options.limits)
                self._sets = ExternalSets(self._repository, self._client, self.kept)
                await self._sets.restore()
            else:
                await self._embedded.start()
                self._client = TritonClient(self._embedded.address, self._options.limits)
                view = ModelView(self._embedded.models, self._repository, self._options.embedded.threads_per_network)
                self._sets = ModelSetLoader(
                    self._repository, view, self._client, self._options.state_file, kept=self.kept
                )
                await self._first_start(self._embedded, self._sets)
                self._tasks.append(asyncio.create_task(self._supervise(self._embedded, self._sets)))
        except BaseException:
            await self.stop()
            raise
        self._available = True
        self._tasks.append(asyncio.create_task(self._keep_fresh(self._sets)))

    async def stop(self) -> None:
        """Let running requests end, then stop what was started; nothing is left behind."""
        self._available = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        idle = False
        if self._embedded is not None and self._embedded.running and isinstance(self._sets, ModelSetLoader):
            with suppress(TritonError, asyncio.TimeoutError):
                await asyncio.wait_for(self._sets.drain(), self._options.embedded.drain_seconds)
                idle = self._client is not None and self._client.idle
        if self._client is not None:
            await self._client.close()
            self._client = None
        if self._embedded is not None:
            await self._embedded.stop(idle=idle)
        self.kept.close()

    def status(self) -> ServingStatus:
        """Return what is served now."""
        if self._sets is None:
            return ServingStatus(available=False)
        return self._sets.status(available=self._available)

    async def refresh(self) -> bool:
        """Look for new model sets now; True if something new is served.

        Raises
        ------
        TritonUnavailable
            If Triton is gone.
        OSError
            If the repository cannot be read now.
        """
        return await self._sets.refresh() if self._sets is not None else False

    async def infer_ensemble(self, image: bytes, timeout: float) -> EnsembleAnswer:
        """Let the ensemble judge one encoded image; see `TritonClient.infer_ensemble`.

        Raises
        ------
        NoModelSet
            If Triton is there and no model set is served, whatever an external one would answer.
        """
        if self._available and self.status().model_set is None:
            raise NoModelSet("no model set is served")
        return await self.client.infer_ensemble(image, timeout)

    async def infer_network(
        self, name: str, images: npt.NDArray[np.float32], timeout: float, version: int | None = None
    ) -> NetworkAnswer:
        """Run one network on prepared images.

        Parameters
        ----------
        name
            The network: a member of the model set, or one outside of any.
        images
            [B, C, S, S], float32, as `handlers.preprocess` prepares them for it.
        timeout
            Seconds to wait.
        version
            Which version; None for the one that is served.

        Raises
        ------
        TritonUnavailable
            Also if this network or version is not served.
        TritonOverloaded, TritonTimeout, TritonFailed
            As the ensemble.
        """
        status = self.status()
        cards = {**status.networks, **(status.model_set.cards if status.model_set else {})}
        card = cards.get(name)
        if card is None:
            raise TritonUnavailable(f"{name} is not served")
        version = version or card.version
        model = served_name(name, version) if self._embedded is not None else name
        return await self.client.infer_network(
            model, images, timeout, version=version, input_name=Member.of(card).input_name
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def _first_start(self, embedded: EmbeddedTriton, sets: ModelSetLoader) -> None:
        """Bring Triton up; a set that kills it twice is refused, so try some times."""
        for attempt in range(1, _STARTS + 1):
            try:
                return await self._bring_up(embedded, sets)
            except (NoModelSet, TritonCannotRun, TritonStartFailed):  # noqa: PERF203 - at most three rounds
                raise
            except TritonUnavailable:
                if attempt == _STARTS:
                    raise
                await embedded.kill()

    async def _bring_up(self, embedded: EmbeddedTriton, sets: ModelSetLoader) -> None:
        """Start Triton if it is not running, and load it."""
        await embedded.start()
        await self.client.wait_until_ready(_CONNECT_SECONDS)
        self.client.sick.clear()
        await sets.restore()
        self._available = True

    async def _supervise(self, embedded: EmbeddedTriton, sets: ModelSetLoader) -> None:
        """Start Triton again whenever it ends, or when one of its processes died."""
        pause = _FIRST_PAUSE_SECONDS
        loop = asyncio.get_running_loop()
        while True:
            since = loop.time()
            if self._available:
                why = await self._until_dead(embedded)
                self._available = False
                if loop.time() - since > _LONGEST_PAUSE_SECONDS:
                    pause = _FIRST_PAUSE_SECONDS
                _LOG.error("%s; it is started again in %g s. The end of its log:\n%s", why, pause, embedded.log_tail())
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            try:
                await self._bring_up(embedded, sets)
            except TritonError as error:
                _LOG.error("Triton is not back: %s", error)
            else:
                _LOG.info("Triton is back")

    async def _until_dead(self, embedded: EmbeddedTriton) -> str:
        """Wait until Triton ends, or has to be ended; say which."""
        ended = asyncio.ensure_future(embedded.ended())
        sick = asyncio.ensure_future(self.client.sick.wait())
        try:
            await asyncio.wait({ended, sick}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            sick.cancel()
        if not embedded.running:
            return "Triton ended unexpectedly"
        await embedded.kill()
        return "A process of Triton died and Triton was ended"

    async def _keep_fresh(self, sets: ModelSetLoader | ExternalSets) -> None:
        """Look for new model sets from time to time."""
        unreadable = ""
        while True:
            await asyncio.sleep(self._options.refresh_seconds)
            if self._embedded is not None and not self._available:
                continue  # the supervisor is at it
            try:
                await sets.refresh()
                unreadable = ""
                if self._embedded is None:
                    self._available = True
            except TritonUnavailable:
                if self._embedded is None:
                    self._available = False
            except TritonError as error:
                _LOG.error("looking for new model sets failed: %s", error)
            except OSError as error:  # a shared folder can be out of reach for a while: what is loaded goes on serving
                if str(error) != unreadable:
                    _LOG.error("the model repository cannot be read, what is loaded serves on: %s", error)
                unreadable = str(error)
