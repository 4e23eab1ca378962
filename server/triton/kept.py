"""What is served stays readable until the last request that may need it has ended, whatever becomes of its folder.

A request is classified at its beginning, and its explanations may be computed hours later, from the TorchScript copies
of the versions that classified. An operator may delete these meanwhile. So the file of every version that is served is
held: on this machine it is simply kept open, which works for every file system, costs no space and leaves nothing
behind, however the gateway ends; workers open it as `/proc/PID/fd/N`. Workers on other machines cannot: for them it
gets a second name in the repository, which all share.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ...handlers.card import ModelCard
from ...handlers.repository import LoadedSet, Repository
from ...handlers.repository.layout import TORCHSCRIPT

__all__ = ["HeldFile", "KeptRepository", "KeptVersions", "OpenFiles", "SecondNames"]

_LOG = logging.getLogger(__name__)
_DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True)
class HeldFile:
    """A file that stays readable at `path` until `release` is called."""

    path: Path
    release: Callable[[], None]


class OpenFiles:
    """Holds files for processes of this machine and user: it keeps them open."""

    def hold(self, file: Path) -> HeldFile:
        """Hold a file.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        if not _DESCRIPTORS.is_dir():  # not Linux
            return HeldFile(file, lambda: None)
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        return HeldFile(Path(f"/proc/{os.getpid()}/fd/{descriptor}"), lambda: os.close(descriptor))

    def close(self) -> None:
        """Nothing is left to do: the files are released one by one, or by the system."""


class SecondNames:
    """Holds files for other machines: a hard link of each in a hidden folder of the repository.

    Where the repository cannot be written to, files are used under their own names, and jobs that still need one that
    is deleted end with a failure that says so. What a gateway that was killed left behind is removed by the next one.

    Parameters
    ----------
    folder
        On the file system of the repository; made when needed.
    """

    def __init__(self, folder: Path) -> None:
        self._parent = folder.resolve()
        self._own: Path | None = None
        self._lock = -1

    def hold(self, file: Path) -> HeldFile:
        """Hold a file.

        Raises
        ------
        OSError
            If it does not exist.
        """
        file = file.resolve(strict=True)
        try:
            link = self._folder() / f"{file.parent.parent.name}-{file.parent.name}-{file.stat().st_ino}.pt"
            link.unlink(missing_ok=True)
            os.link(file, link)
        except OSError as error:
            _LOG.warning(
                "%s cannot be held (%s): requests that were classified with it fail if it is deleted before they end",
                file,
                error.strerror,
            )
            return HeldFile(file, lambda: None)
        return HeldFile(link, lambda: link.unlink(missing_ok=True))

    def close(self) -> None:
        """Remove the folder."""
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            os.close(self._lock)
            self._own = None
            with suppress(OSError):  # another gateway's folder is in it
                self._parent.rmdir()

    def _folder(self) -> Path:
        if self._own is None:
            self._parent.mkdir(exist_ok=True)
            self._sweep()
            own = Path(tempfile.mkdtemp(dir=self._parent))
            own.chmod(0o755)  # workers may run as another user
            self._lock = os.open(own / "fresh", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            (own / "fresh").rename(own / "lock")  # in sight of others when it is locked, not before
            self._own = own
        return self._own

    def _sweep(self) -> None:
        """Remove the folders whose gateway is gone: the kernel lets its lock go, on a shared file system too."""
        for lock in self._parent.glob("*/lock"):
            with suppress(OSError):
                descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(lock.parent, ignore_errors=True)
                finally:
                    os.close(descriptor)


@dataclass
class _Version:
    card: ModelCard
    file: HeldFile | None
    needed_by: set[int] | None = None
    """While it is served nobody knows who will need it: None. Afterwards the leases that were open at that moment."""

    def release(self) -> None:
        if self.file is not None:
            self.file.release()


class KeptVersions:
    """Cards, model sets and TorchScript copies of what is served, and of what running requests may still need.

    For one event loop; nothing here waits for more than the file system.

    Parameters
    ----------
    files
        How files are held.
    """

    def __init__(self, files: OpenFiles | SecondNames | None = None) -> None:
        self._files = files or OpenFiles()
        self._versions: dict[tuple[str, int], _Version] = {}
        self._sets: dict[int, LoadedSet] = {}
        self._leases: set[int] = set()
        self._last_lease = 0

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Keep everything that is served at any time within the block until its end."""
        self._last_lease += 1
        lease = self._last_lease
        self._leases.add(lease)
        try:
            yield
        finally:
            self._leases.discard(lease)
            for version in self._versions.values():
                if version.needed_by is not None:
                    version.needed_by.discard(lease)
            self._let_go()

    def others(self, cards: Iterable[ModelCard]) -> tuple[ModelCard, ...]:
        """Return those cards under whose name and version other weights are kept: numbers were used again."""
        return tuple(
            card
            for card in cards
            if (kept := self._versions.get((card.name, card.version))) is not None and kept.card != card
        )

    def keep(self, repository: Repository, cards: Iterable[ModelCard], model_set: LoadedSet | None = None) -> None:
        """Keep versions that are about to be served; call it before they can answer.

        Raises
        ------
        OSError
            If a TorchScript copy cannot be read.
        """
        for card in cards:
            key = (card.name, card.version)
            if key in self._versions:
                self._versions[key].needed_by = None
            else:
                path = repository.torchscript(*key)
                file = self._files.hold(path) if TORCHSCRIPT in card.files else None
                self._versions[key] = _Version(card, file)
        if model_set is not None:
            self._sets[model_set.model_set.version] = model_set

    def only(self, current: LoadedSet | None, networks: Iterable[ModelCard]) -> None:
        """Say what is served from now on; the rest goes when nothing needs it."""
        serving = {(card.name, card.version) for card in (*(current.cards.values() if current else ()), *networks)}
        for key, version in self._versions.items():
            if key not in serving and version.needed_by is None:
                version.needed_by = set(self._leases)
        self._let_go()

    def close(self) -> None:
        """Let everything go."""
        for version in self._versions.values():
            version.release()
        self._versions.clear()
        self._sets.clear()
        self._files.close()

    def card(self, name: str, version: int) -> ModelCard | None:
        """Return the card of a version that is kept."""
        kept = self._versions.get((name, version))
        return kept.card if kept is not None else None

    def torchscript(self, name: str, version: int) -> Path | None:
        """Return where workers find the TorchScript copy of a version that is kept."""
        kept = self._versions.get((name, version))
        return kept.file.path if kept is not None and kept.file is not None else None

    def model_set(self, version: int) -> LoadedSet | None:
        """Return a model set that is kept."""
        return self._sets.get(version)

    def _let_go(self) -> None:
        for key in [key for key, version in self._versions.items() if version.needed_by == set()]:
            self._versions.pop(key).release()
            _LOG.debug("%s %d is not needed any more", *key)
        held = self._versions.keys()
        self._sets = {n: one for n, one in self._sets.items() if one.model_set.members.items() <= held}


@dataclass(frozen=True)
class KeptRepository(Repository):
    """A model repository in which versions that are kept are read from where they are kept."""

    kept: KeptVersions = field(default_factory=KeptVersions, compare=False)

    def card(self, name: str, version: int) -> ModelCard:
        """Return the card of one version of a network; see `Repository.card`."""
        return self.kept.card(name, version) or super().card(name, version)

    def torchscript(self, name: str, version: int) -> Path:
        """Return where workers find the TorchScript copy of one version of a network."""
        return self.kept.torchscript(name, version) or super().torchscript(name, version)
