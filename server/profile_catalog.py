"""The neuron activation profiles of the model set that is served: which can be served, and their strongest maps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..handlers.card import ModelCard
from ..handlers.errors import RepositoryError
from ..handlers.profile import FEWEST_SERVED, PROFILES, ProfileRecord, load_planes, load_record, records
from ..handlers.repository.layout import TORCHSCRIPT
from .catalog import ModelCatalog
from .errors import InvalidRequest, ProfileBroken, ProfileNotFound, QueueFull, Violation
from .paths import without_paths
from .profile_checks import contradiction
from .profile_maps import MOST_MAPS, USUAL_MAPS, StrongestMaps, strongest_maps
from .triton.errors import NoModelSet

__all__ = ["BrokenProfile", "ProfileCatalog", "ProfileList", "ServedProfile"]

MOST_STREAMS = 16
"""Profiles that are streamed at a time: each holds its maps in memory until its caller has taken them."""

_RETRY_SECONDS = 1.0
_Fingerprint = tuple[tuple[int, int], ...]
T = TypeVar("T")


@dataclass(frozen=True)
class ServedProfile:
    """A profile that can be served.

    Attributes
    ----------
    record
        What it is.
    version
        Of the network that is served, whose weights were profiled.
    """

    record: ProfileRecord
    version: int


@dataclass(frozen=True)
class BrokenProfile:
    """A profile that is stored and cannot be served, and why."""

    name: str
    network: str
    reason: str


@dataclass(frozen=True)
class ProfileList:
    """What is stored, by name and then by network in voting order."""

    profiles: tuple[ServedProfile, ...]
    broken: tuple[BrokenProfile, ...]


class ProfileCatalog:
    """Lists and reads profiles. Files are read in a thread of its own, one at a time, so memory holds one at a time.

    Parameters
    ----------
    catalog
        Says which model set is served.
    """

    def __init__(self, catalog: ModelCatalog) -> None:
        self._catalog = catalog
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="profiles")
        self._streams = 0
        self._known: dict[tuple[Path, str, str], tuple[_Fingerprint, ProfileRecord | str]] = {}

    def close(self) -> None:
        """Read no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def list(self) -> ProfileList:
        """Return what is stored with the model set that is served now.

        Raises
        ------
        NoModelSet
            If no model set is served.
        """
        folder, cards = self._served()
        return await self._in_thread(lambda: self._list(folder, cards))

    async def read(
        self, name: str, network: str, layers: Sequence[str], strongest: int
    ) -> tuple[ServedProfile, Sequence[StrongestMaps]]:
        """Read a profile and the strongest maps of its layers.

        Parameters
        ----------
        name, network
            Which profile.
        layers
            Which layers; empty: all.
        strongest
            How many maps of each, at most `MOST_MAPS`; 0: `USUAL_MAPS`. Fewer where they are more than
            `profile_maps.MOST_LAYER_BYTES`, one at least.

        Returns
        -------
        ServedProfile, sequence of StrongestMaps
            The layers in the order of the network.

        Raises
        ------
        NoModelSet
            If no model set is served.
        ProfileNotFound
            If there is no such profile; the text lists what there is.
        ProfileBroken
            If it cannot be served.
        InvalidRequest
            If a layer is unknown, or too many maps are asked for.
        """
        folder, cards = self._served()
        return await self._in_thread(lambda: self._read(folder, cards, name, network, layers, strongest))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold one of the few places for streams.

        Raises
        ------
        QueueFull
            If all are taken.
        """
        if self._streams >= MOST_STREAMS:
            raise QueueFull(f"{MOST_STREAMS} profiles are being streamed already", _RETRY_SECONDS)
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def _served(self) -> tuple[Path, dict[str, ModelCard]]:
        model_set = self._catalog.status.model_set
        if model_set is None:
            raise NoModelSet("no model set is served")
        folder = self._catalog.repository.set_dir(model_set.model_set.version) / PROFILES
        return folder, dict(model_set.cards)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _list(self, folder: Path, cards: dict[str, ModelCard]) -> ProfileList:
        order = {network: place for place, network in enumerate(cards)}
        found = sorted(records(folder), key=lambda one: (one[0], order.get(one[1], len(order)), one[1]))
        profiles, broken = [], []
        known, self._known = self._known, {}
        for name, network in found:
            key = (folder, name, network)
            # Reading every file again for every list takes long. What was replaced looks another way from outside.
            fingerprint = _fingerprint(folder, name, network)
            if key not in known or known[key][0] != fingerprint:
                known[key] = (fingerprint, self._sound(folder, name, network))
            self._known[key] = known[key]
            sound = known[key][1]
            try:
                if isinstance(sound, str):
                    raise ProfileBroken(sound)
                profiles.append(ServedProfile(sound, _version(sound, cards)))
            except ProfileBroken as error:
                broken.append(BrokenProfile(name, network, str(error)))
        return ProfileList(tuple(profiles), tuple(broken))

    def _sound(self, folder: Path, name: str, network: str) -> ProfileRecord | str:
        """Return the record of a profile whose files are sound, else what is wrong with them."""
        try:
            record = self._record(folder, name, network)
            self._planes(folder, record)
        except ProfileBroken as error:
            return str(error)
        return record

    def _read(
        self,
        folder: Path,
        cards: dict[str, ModelCard],
        name: str,
        network: str,
        layers: Sequence[str],
        strongest: int,
    ) -> tuple[ServedProfile, Sequence[StrongestMaps]]:
        found = records(folder)
        if (name, network) not in found:  # names of callers never become paths
            raise ProfileNotFound(f"unknown profile; there are: {_listed(found)}")
        record = self._record(folder, name, network)
        profile = ServedProfile(record, _version(record, cards))
        _check_request(record, layers, strongest)
        planes = self._planes(folder, record)
        chosen = [
            strongest_maps(layer, planes[place], strongest or USUAL_MAPS)
            for place, layer in enumerate(record.layers)
            if not layers or layer.name in layers
        ]
        return profile, chosen

    def _record(self, folder: Path, name: str, network: str) -> ProfileRecord:
        try:
            record = load_record(folder, name, network)
        except RepositoryError as error:
            raise self._broken("its record", error) from error
        if problem := contradiction(record):
            raise ProfileBroken(f"its record contradicts itself: {problem}")
        if few := [group.name for group in record.groups if group.patients < FEWEST_SERVED]:
            raise ProfileBroken(
                f"groups of fewer than {FEWEST_SERVED} patients are not served, as their means come near to an X-ray: "
                f"{', '.join(few)}; profile again with --store"
            )
        return record

    def _planes(self, folder: Path, record: ProfileRecord) -> Sequence[NDArray[np.float32]]:
        try:
            found = load_planes(folder, record)
        except RepositoryError as error:
            raise self._broken("its file of feature maps", error) from error
        planes = [found[place] for place in range(len(record.layers))]
        for layer, values in zip(record.layers, planes, strict=True):
            if not np.isfinite(values).all():
                raise ProfileBroken(f"its feature maps of {layer.name} hold values that are not finite")
        return planes

    def _broken(self, what: str, error: RepositoryError) -> ProfileBroken:
        return ProfileBroken(f"{what} {without_paths(error.problem, self._catalog.repository.root)}")


def _version(record: ProfileRecord, cards: dict[str, ModelCard]) -> int:
    """Return the version of the served network that was profiled."""
    card = cards.get(record.network)
    if card is None:
        raise ProfileBroken("no network of this name is in the model set that is served")
    if card.files.get(TORCHSCRIPT) != record.model_sha256:
        raise ProfileBroken(f"it is of other weights than those of version {card.version}, which is served")
    return card.version


def _check_request(record: ProfileRecord, layers: Sequence[str], strongest: int) -> None:
    there = [layer.name for layer in record.layers]
    wrong = [
        Violation(f"layers[{place}]", f"unknown layer; there are: {', '.join(there)}")
        for place, layer in enumerate(layers)
        if layer not in there
    ]
    if strongest > MOST_MAPS:
        wrong.append(Violation("strongest", f"at most {MOST_MAPS} feature maps of a layer; 0 stands for {USUAL_MAPS}"))
    if wrong:
        raise InvalidRequest(wrong)


def _listed(found: Sequence[tuple[str, str]]) -> str:
    networks: dict[str, list[str]] = {}
    for name, network in found:
        networks.setdefault(name, []).append(network)
    text = "; ".join(f"{name} of {', '.join(of)}" for name, of in networks.items()) or "none"
    return text.encode(errors="replace").decode()  # a file's name may be no text at all


def _fingerprint(folder: Path, name: str, network: str) -> _Fingerprint:
    found = []
    for file in (folder / name / f"{network}.json", folder / name / f"{network}.npz"):
        try:
            state = file.stat()
        except OSError:
            continue
        found.append((state.st_size, state.st_mtime_ns))
    return tuple(found)
