"""An external Triton: it has its own copy of the repository, and its own mind about versions."""

from __future__ import annotations

import asyncio
import logging

from ...handlers.errors import HandlersError
from ...handlers.repository import ENSEMBLE, Repository, load_set, verify
from .client import TritonClient
from .errors import ModelControlForbidden, ModelNotLoaded, NoModelSet
from .kept import KeptVersions
from .removal import removed, require_reachable
from .status import Refused, ServingStatus

_LOG = logging.getLogger(__name__)


class ExternalSets:
    """What an external Triton serves, seen from here.

    Its version policy decides what it serves. Where it lets clients load models it is asked to load the ensemble,
    which loads the members; otherwise what it has loaded is used. Which versions answered is in every answer.

    Parameters
    ----------
    repository
        Our copy: cards and TorchScript copies are read from it, so it must have what Triton has.
    client
        Connection to that Triton.
    kept
        Where what is served is kept for requests that may need it longer.
    """

    def __init__(self, repository: Repository, client: TritonClient, kept: KeptVersions | None = None) -> None:
        self._repository = repository
        self._client = client
        self._kept = kept or KeptVersions()
        self._may_load = True
        self._serving: int | None = None
        self._status = ServingStatus(available=False)

    def status(self, *, available: bool) -> ServingStatus:
        """Return what is served, as of the last `refresh`."""
        status = self._status
        return ServingStatus(available, status.model_set, status.networks, status.refused)

    async def restore(self) -> None:
        """Find out what is served, and have the ensemble loaded if it is not.

        Raises
        ------
        NoModelSet
            If the ensemble is not loaded and cannot be.
        TritonUnavailable
            If Triton cannot be reached.
        """
        self._serving = await self._version_in_triton()
        if self._serving is None:
            await self._load_ensemble()
        await self.refresh()
        if self._serving is None:
            raise NoModelSet(f"the Triton at {self._client.address} does not serve {ENSEMBLE}")

    async def refresh(self) -> bool:
        """Look again; ask for a newer set if our repository has one, and for another if what is served was removed.

        Returns
        -------
        bool
            Whether another set is served than before.

        Raises
        ------
        TritonUnavailable
            If Triton cannot be reached.
        OSError
            If the repository cannot be read now: nothing is taken for removed then.
        """
        await asyncio.to_thread(require_reachable, self._repository)
        served = self._status.model_set
        before = served.model_set.version if served else None
        gone = served is not None and await asyncio.to_thread(removed, self._repository, served)
        if gone:
            _LOG.warning("model set %d was removed", before)
            if self._repository.set_versions():
                await self._load_ensemble()
        self._serving = await self._version_in_triton()
        newest = max(self._repository.set_versions(), default=0)
        refused: tuple[Refused, ...] = ()
        if self._serving is not None and newest > self._serving:
            problems = await asyncio.to_thread(verify, self._repository, newest)
            if problems:
                refused = (Refused(ENSEMBLE, newest, "; ".join(problems)),)
            else:
                await self._load_ensemble()
                self._serving = await self._version_in_triton()
        loaded = None
        if self._serving is not None and (gone or self._serving != before):
            try:
                loaded = await asyncio.to_thread(load_set, self._repository, self._serving)
                self._kept.keep(self._repository, loaded.cards.values(), loaded)
            except (HandlersError, OSError) as error:
                loaded = None
                refused = (*refused, Refused(ENSEMBLE, self._serving, f"Triton serves it, but here: {error}"))
        elif self._serving is not None:
            loaded = served
        self._kept.only(loaded, ())
        self._status = ServingStatus(available=True, model_set=loaded, refused=refused)
        return loaded is not served

    async def _version_in_triton(self) -> int | None:
        states = await self._client.index()
        return max((s.version for s in states if s.name == ENSEMBLE and s.state == "READY"), default=None)

    async def _load_ensemble(self) -> None:
        if not self._may_load:
            return
        try:
            await self._client.load(ENSEMBLE)
        except ModelControlForbidden:
            self._may_load = False
        except ModelNotLoaded as error:
            _LOG.error("the external Triton does not load the ensemble: %s", error.reason)
