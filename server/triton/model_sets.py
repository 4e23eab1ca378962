"""Which model set the embedded Triton serves: the newest that is sound, changed without losing a request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from ...handlers.card import ModelCard
from ...handlers.errors import HandlersError
from ...handlers.repository import (
    ENSEMBLE,
    PREPROCESS,
    VOTE,
    LoadedSet,
    Repository,
    load_set,
    read_set,
    verify,
)
from ...handlers.repository.checksum import sha256
from ...handlers.repository.triton_models import Member
from .client import TritonClient
from .deaths import Deaths
from .errors import (
    ModelNotLoaded,
    NoModelSet,
    SetRefused,
    TritonFailed,
    TritonProcessDied,
    TritonTimeout,
    TritonUnavailable,
)
from .kept import KeptVersions
from .last_good import FILE_NAME, LastGood, read_last_good, write_last_good
from .removal import removed, require_reachable
from .status import Refused, ServingStatus
from .view import ModelView, served_name

_LOG = logging.getLogger(__name__)
_DRAIN_SECONDS = 60.0
_PROBE_SECONDS = 60.0
Fingerprint = tuple[tuple[str, int, int], ...]


class _NumberInUse(Exception):
    """Running requests use earlier weights under one of its numbers; it has to wait for their end."""


class ModelSetLoader:
    """Loads model sets into the embedded Triton.

    Parameters
    ----------
    repository
        Where sets are published.
    view
        The folder that Triton sees.
    client
        Connection to that Triton.
    state_file
        Where to remember the set that serves; by default a file in the root of the repository.
    clock
        Monotonic seconds.
    kept
        Where what is served is kept for requests that may need it longer.
    """

    def __init__(
        self,
        repository: Repository,
        view: ModelView,
        client: TritonClient,
        state_file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        kept: KeptVersions | None = None,
    ) -> None:
        self._repository = repository
        self._view = view
        self._client = client
        self._state_file = state_file or repository.root / FILE_NAME
        self._lock = asyncio.Lock()
        self._current: LoadedSet | None = None
        self._networks: dict[str, ModelCard] = {}
        # What served when Triton died, until it is restored.
        self._before: tuple[LoadedSet | None, Mapping[str, ModelCard]] | None = None
        self._names: set[str] = set()
        self._refused: dict[tuple[str, int], tuple[Fingerprint, str]] = {}
        self._deaths = Deaths(clock)
        self._kept = kept or KeptVersions()
        self._last_good = read_last_good(self._state_file)

    def status(self, *, available: bool) -> ServingStatus:
        """Return what is served and what is refused; while Triton is restored, what was served before it died."""
        current, networks = self._before or (self._current, self._networks)
        refused = tuple(Refused(name, version, why) for (name, version), (_, why) in sorted(self._refused.items()))
        return ServingStatus(available, current, dict(networks), refused)

    async def restore(self) -> None:
        """Load everything into a Triton that has just started and has nothing loaded.

        The set that served before it died comes first; at the first start the newest sound one, and if that cannot be
        loaded, the one that served last.

        Raises
        ------
        NoModelSet
            If neither a set nor a single network can be served.
        TritonUnavailable
            If Triton died meanwhile.
        """
        async with self._lock:
            if self._before is None:  # else Triton died again before everything was loaded
                self._before = (self._current, self._networks)
            self._current, self._networks, self._names = None, {}, set()
            for version in self._candidates(self._before[0]):
                if await self._try_set(version):
                    break
            await self._take_networks()
            self._before = None
            self._kept.only(self._current, self._networks.values())
        if self._current is None and not self._networks:
            raise NoModelSet(self._why_nothing())

    async def refresh(self) -> bool:
        """Look for newer sets and networks, and load them; stop serving what was removed.

        Returns
        -------
        bool
            Whether something else is served than before.

        Raises
        ------
        TritonUnavailable
            If Triton died meanwhile.
        OSError
            If the repository cannot be read now: nothing is taken for removed then.
        """
        async with self._lock:
            await asyncio.to_thread(require_reachable, self._repository)
            before = (self._current, dict(self._networks))
            self._forget_refusals()
            await asyncio.to_thread(self._forget_members)
            if self._current is not None and await asyncio.to_thread(removed, self._repository, self._current):
                await self._leave(self._current)
                self._kept.only(self._current, self._networks.values())
            serving = self._current.model_set.version if self._current else 0
            for version in reversed(self._repository.set_versions()):
                if version <= serving or await self._try_set(version):
                    break
            await self._take_networks()
            self._kept.only(self._current, self._networks.values())
            return before != (self._current, self._networks)

    async def drain(self) -> None:
        """Wait until the requests that run have ended, also those on their way to Triton, and take no more."""
        while not self._client.idle:  # without its ensemble Triton would refuse what has not reached it
            await asyncio.sleep(0.02)
        async with self._lock:
            if self._current is not None:
                await self._client.unload(ENSEMBLE)
                await self._until_ensemble_is_only(None)
                self._current = None

    def _candidates(self, previous: LoadedSet | None) -> Iterable[int]:
        """Yield set versions, best first."""
        versions = list(reversed(self._repository.set_versions()))
        first = [previous.model_set.version] if previous else versions[:1]
        wanted = [*first, self._last_good.set_version]
        return dict.fromkeys([*(version for version in wanted if version in versions), *versions])

    async def _leave(self, gone: LoadedSet) -> None:
        """Serve the newest set that is left instead of one that was removed; if there is none, serve none."""
        version = gone.model_set.version
        _LOG.warning("model set %d was removed", version)
        for other in reversed(self._repository.set_versions()):
            # The same number again would be another set, and its models have the names of the old one's.
            if other != version and await self._try_set(other):
                return
        _LOG.error("no sound model set is left; none is served until one is published")
        self._current = None  # at once: what comes now is told so, what runs goes on
        with suppress(ModelNotLoaded):
            await self._client.unload(ENSEMBLE)
        await self._until_ensemble_is_only(None)
        singles = {served_name(card.name, card.version) for card in self._networks.values()}
        await self._drop(self._names - singles)
        self._view.remove({ENSEMBLE})

    def _forget_refusals(self) -> None:
        """Drop refusals of versions that were removed."""
        self._refused = {
            (name, version): refusal
            for (name, version), refusal in self._refused.items()
            if version in (self._repository.set_versions() if name == ENSEMBLE else self._repository.versions(name))
        }

    async def _try_set(self, version: int) -> bool:
        """Load a set unless it is refused already and unchanged since; remember a refusal."""
        key = (ENSEMBLE, version)
        fingerprint = await asyncio.to_thread(self._fingerprint_of_set, version)
        if self._still_refused(key, fingerprint):
            return False
        try:
            await self._load_set(version)
        except _NumberInUse:
            return False
        except SetRefused as error:
            self._deaths.forget(key)
            self._refuse(key, fingerprint, error.reason)
            return False
        except TritonUnavailable as error:
            if self._current is None or self._current.model_set.version != version:  # else it was loaded already
                self._count_death(key, fingerprint, error)
            raise
        self._deaths.forget(key)
        self._refused = {k: v for k, v in self._refused.items() if k[0] != ENSEMBLE or k[1] > version}
        return True

    async def _load_set(self, version: int) -> None:
        loaded = await asyncio.to_thread(self._checked_set, version)
        if self._kept.others(loaded.cards.values()):
            raise _NumberInUse
        self._keep(f"model set {version}", loaded.cards.values(), loaded)
        names = set(self._view.place_set(loaded))
        fresh = names - self._names
        old = self._current
        try:
            await self._load_together(fresh)
            await asyncio.gather(
                *(self._probe(card) for card in loaded.cards.values() if served_name(card.name, card.version) in fresh)
            )
            self._view.point_ensemble(loaded)
            await self._client.load(ENSEMBLE)
        except (ModelNotLoaded, TritonFailed, TritonTimeout, TritonProcessDied) as error:
            if old is not None:
                self._view.point_ensemble(old)
            if isinstance(error, TritonProcessDied):
                with suppress(TritonUnavailable):  # it may be ended for that already
                    await self._drop(fresh)
                raise
            await self._drop(fresh)
            raise SetRefused(f"model set {version}", f"Triton could not load it: {_first_line(error)}") from error
        # From here on the new set answers. Requests that the old one still works on need its models to the end.
        self._current = loaded
        self._names |= names
        await self._remember(loaded)
        _LOG.info("model set %d is served", version)
        await self._until_ensemble_is_only(version)
        singles = {served_name(card.name, card.version) for card in self._networks.values()}
        await self._drop(self._names - names - singles)

    def _keep(self, what: str, cards: Iterable[ModelCard], model_set: LoadedSet | None = None) -> None:
        """Keep what is about to be served."""
        try:
            self._kept.keep(self._repository, cards, model_set)
        except OSError as error:
            raise SetRefused(what, f"a file of it cannot be read: {error.strerror}") from error

    async def _remember(self, loaded: LoadedSet) -> None:
        members = {**self._last_good.members, **loaded.model_set.members}
        for name, version in self._last_good.members.items():
            members[name] = max(version, members[name])
        self._last_good = LastGood(set_version=loaded.model_set.version, members=members)
        await asyncio.to_thread(write_last_good, self._state_file, self._last_good)

    def _forget_members(self) -> None:
        """Numbers of members that were removed may come again, and are networks of their own then."""
        newest = {name: max(self._repository.versions(name), default=0) for name in self._last_good.members}
        members = {name: min(version, newest[name]) for name, version in self._last_good.members.items()}
        if members != self._last_good.members:
            self._last_good = self._last_good.model_copy(update={"members": {n: v for n, v in members.items() if v}})
            write_last_good(self._state_file, self._last_good)

    def _checked_set(self, version: int) -> LoadedSet:
        problems = verify(self._repository, version)
        if problems:
            raise SetRefused(f"model set {version}", "; ".join(problems))
        return load_set(self._repository, version, check=False)

    async def _load_together(self, names: Iterable[str]) -> None:
        """Load models at the same time; when all have ended, raise the worst failure: that Triton is gone."""
        answers = await asyncio.gather(*(self._client.load(name) for name in names), return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if failures:
            raise max(failures, key=lambda failure: isinstance(failure, TritonUnavailable))

    async def _probe(self, card: ModelCard) -> None:
        """Ask a network that was just loaded for its version: answers are only as true as what its graph says."""
        image = np.zeros((1, card.input.channels, card.input.size, card.input.size), dtype=np.float32)
        name = served_name(card.name, card.version)
        answer = await self._client.infer_network(
            name, image, _PROBE_SECONDS, input_name=Member.of(card).input_name, queue=False
        )
        if answer.version != card.version:
            raise ModelNotLoaded(card.name, f"version {card.version} says that it is version {answer.version}")
        if answer.logits.shape != (1, len(card.labels)) or not np.isfinite(answer.logits).all():
            raise ModelNotLoaded(card.name, f"does not answer one finite logit for each of {len(card.labels)} labels")

    async def _until_ensemble_is_only(self, version: int | None) -> None:
        """Wait until no request runs in another version of the ensemble."""
        deadline = asyncio.get_running_loop().time() + _DRAIN_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            states = [state for state in await self._client.index() if state.name == ENSEMBLE]
            if not any(state.version != version and state.state in ("READY", "UNLOADING") for state in states):
                return
            await asyncio.sleep(0.02)
        _LOG.warning("requests of an earlier model set still run after %g s; its models are unloaded", _DRAIN_SECONDS)

    async def _drop(self, names: set[str]) -> None:
        for name in names:
            with suppress(ModelNotLoaded):  # it may never have been
                await self._client.unload(name)
        self._view.remove(names)
        self._names -= names

    async def _take_networks(self) -> None:
        """Load the newest version of every network that is in no model set, such as imported ones."""
        wanted = await asyncio.to_thread(self._single_networks)
        members = dict(self._current.model_set.members) if self._current else {}
        for name, versions in wanted.items():
            served = self._networks.get(name)
            there = served is not None and await asyncio.to_thread(self._is_there, served)
            for version in versions:
                if served is not None and version == served.version:
                    if there:
                        break
                elif await self._try_network(name, version):
                    break
            else:
                if served is not None and not there:
                    await self._drop_network(served, members)
        for name in self._networks.keys() - wanted.keys():  # it joined a set, or is gone
            await self._drop_network(self._networks[name], members)

    async def _drop_network(self, card: ModelCard, members: Mapping[str, int]) -> None:
        del self._networks[card.name]
        if members.get(card.name) != card.version:
            await self._drop({served_name(card.name, card.version)})
            _LOG.warning("%s %d is not served any more", card.name, card.version)

    def _is_there(self, card: ModelCard) -> bool:
        """Whether a version is still in the repository, and not another under its number."""
        try:
            return self._repository.card(card.name, card.version) == card
        except HandlersError:  # gone, or damaged since it was loaded
            return (self._repository.version_dir(card.name, card.version) / "card.json").exists()

    async def _try_network(self, name: str, version: int) -> bool:
        key = (name, version)
        fingerprint = await asyncio.to_thread(_fingerprint, self._repository.version_dir(name, version).glob("*"))
        if self._still_refused(key, fingerprint):
            return False
        try:
            card = await asyncio.to_thread(self._checked_card, name, version)
            if self._kept.others([card]):
                return False
            self._keep(name, [card])
            served = self._view.place_network(card)
            await self._client.load(served)
            await self._probe(card)
        except (HandlersError, SetRefused, ModelNotLoaded, TritonFailed, TritonTimeout) as error:
            self._deaths.forget(key)
            self._refuse(key, fingerprint, error.reason if isinstance(error, SetRefused) else str(error))
            await self._drop({served_name(name, version)} - self._names)
            return False
        except TritonUnavailable as error:
            self._count_death(key, fingerprint, error)
            raise
        old = self._networks.get(name)
        self._networks[name] = card
        self._names.add(served)
        self._deaths.forget(key)
        self._refused = {k: v for k, v in self._refused.items() if k[0] != name or k[1] > version}
        _LOG.info("%s %d is served", name, version)
        if old is not None:
            await self._drop({served_name(name, old.version)})
        return True

    def _checked_card(self, name: str, version: int) -> ModelCard:
        card = self._repository.card(name, version)
        for file, checksum in card.files.items():
            if sha256(self._repository.version_dir(name, version) / file) != checksum:
                raise SetRefused(f"{name} {version}", f"{file} is not the file that was published (checksum differs)")
        return card

    def _single_networks(self) -> dict[str, tuple[int, ...]]:
        """Return the versions, newest first, of each network that no published set has, and that came with none."""
        members: set[str] = set()
        for version in self._repository.set_versions():
            with suppress(HandlersError):
                members |= read_set(self._repository, version).members.keys()
        came = self._last_good.members
        versions = {name: self._repository.versions(name) for name in self._repository.members()}
        return {
            name: single
            for name in versions.keys() - members
            if (single := tuple(v for v in reversed(versions[name]) if v > came.get(name, 0)))
        }

    def _refuse(self, key: tuple[str, int], fingerprint: Fingerprint, reason: str) -> None:
        self._refused[key] = (fingerprint, reason)
        _LOG.error("%s version %d is not served: %s", *key, reason)

    def _count_death(self, key: tuple[str, int], fingerprint: Fingerprint, error: TritonUnavailable) -> None:
        """Triton, or a process of it, went away while it loaded this; the second time that is no accident."""
        if self._client.sick.is_set() and not isinstance(error, TritonProcessDied):
            return  # a process of what serves already had died, and Triton was ended for that
        if self._deaths.count(key):
            what = str(error) if isinstance(error, TritonProcessDied) else "Triton stopped working while it loaded it"
            self._refuse(key, fingerprint, f"{what}; it is tried again later")

    def _still_refused(self, key: tuple[str, int], fingerprint: Fingerprint) -> bool:
        """Whether it was refused and nothing speaks for another try."""
        return key in self._refused and self._refused[key][0] == fingerprint and not self._deaths.due(key)

    def _fingerprint_of_set(self, version: int) -> Fingerprint:
        """Return what the set's files look like from outside: a refused set is read again only when they change."""
        files = [self._repository.set_dir(version) / "model_set.json"]
        files += [self._repository.version_dir(model, version) / "model.py" for model in (PREPROCESS, VOTE)]
        with suppress(HandlersError):
            files += [self._repository.root / file for file in read_set(self._repository, version).files]
        return _fingerprint(files)

    def _why_nothing(self) -> str:
        reasons = "; ".join(f"{name} {version}: {why}" for (name, version), (_, why) in sorted(self._refused.items()))
        return f"{self._repository.root} holds no model that can be served" + (f" ({reasons})" if reasons else "")


def _first_line(error: Exception) -> str:
    """Leave out the traceback of a Python model that Triton appends."""
    return str(error).partition("\n")[0].rstrip(" :;")


def _fingerprint(files: Iterable[Path]) -> Fingerprint:
    found = []
    for file in sorted(files):
        try:
            state = file.stat()
        except OSError:
            continue
        found.append((str(file), state.st_size, state.st_mtime_ns))
    return tuple(found)
