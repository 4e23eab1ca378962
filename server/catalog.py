"""The networks that are served, and their cards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from ..handlers.card import ModelCard
from ..handlers.ensemble_card import EnsembleCard
from ..handlers.repository import ENSEMBLE, LoadedSet, Repository, load_set
from ..handlers.repository.layout import TORCHSCRIPT
from .errors import ModelNotFound
from .triton.errors import NoModelSet
from .triton.kept import KeptRepository, KeptVersions
from .triton.status import ServingStatus

__all__ = ["ModelCatalog", "explainable"]


class ModelCatalog:
    """Cards of what is served, and of every version there is.

    What is served is kept until the last request that may need it has ended (see `lease`); the rest is read when it is
    asked for, since versions can be removed and their numbers used again.

    Parameters
    ----------
    repository
        The model repository.
    status
        Tells what of it Triton serves now.
    kept
        What is kept of it.
    """

    def __init__(
        self, repository: Repository, status: Callable[[], ServingStatus], kept: KeptVersions | None = None
    ) -> None:
        self._kept = kept or KeptVersions()
        self._repository = KeptRepository(repository.root, self._kept)
        self._status = status

    def lease(self) -> AbstractContextManager[None]:
        """Keep what is served, now or later in the block, readable until the end of the block."""
        return self._kept.lease()

    @property
    def repository(self) -> Repository:
        """The model repository."""
        return self._repository

    @property
    def status(self) -> ServingStatus:
        """What of it Triton serves now, and what is refused."""
        return self._status()

    def served(self) -> dict[str, ModelCard]:
        """Return the card of every network that is served: those that vote, in their order, then the others."""
        status = self._status()
        voting = dict(status.model_set.cards) if status.model_set else {}
        return voting | {name: card for name, card in sorted(status.networks.items()) if name not in voting}

    def voting(self) -> tuple[str, ...]:
        """Return the networks of the model set, in the order in which they vote.

        Raises
        ------
        NoModelSet
            If no model set is served.
        """
        model_set = self._status().model_set
        if model_set is None:
            raise NoModelSet("no model set is served")
        return tuple(model_set.cards)

    def card(self, name: str, version: int) -> ModelCard:
        """Return the card of a version of a network.

        Raises
        ------
        CardError, RepositoryError
            If the repository has no such version.
        """
        return self._repository.card(name, version)

    def model_set(self, version: int) -> LoadedSet:
        """Return a model set, its card and its networks' cards.

        Raises
        ------
        CardError, RepositoryError
            If the repository has no such set.
        """
        return self._kept.model_set(version) or load_set(self._repository, version, check=False)

    def find_ensemble(self, version: int) -> EnsembleCard:
        """Return the card of the model set that a caller asks for; version 0 is the one that is served.

        Raises
        ------
        ModelNotFound
            If there is none; the text lists what there is.
        """
        serving = self._status().model_set
        if serving is not None and version in (0, serving.model_set.version):
            return serving.card
        found = self._repository.set_versions()
        there = f"there are: {', '.join(map(str, found)) or 'none'}"
        if version not in found:
            raise ModelNotFound(f"unknown model set; {there}" if version else f"no model set is served; {there}")
        return self.model_set(version).card

    def find(self, name: str, version: int) -> ModelCard:
        """Return the card that a caller asks for; version 0 is the one that is served.

        Raises
        ------
        ModelNotFound
            If there is none; the text lists what there is.
        """
        served = self.served()
        if name in served and version in (0, served[name].version):
            return served[name]
        names = (*self._repository.members(), *((ENSEMBLE,) if self._repository.set_versions() else ()))
        if name not in names:
            raise ModelNotFound(f"unknown model; there are: {', '.join(names) or 'none'}")
        versions = self._repository.versions(name)
        if version == 0:
            raise ModelNotFound(f"this model is not served; its versions are: {', '.join(map(str, versions))}")
        if version not in versions:
            raise ModelNotFound(f"unknown version; there are: {', '.join(map(str, versions)) or 'none'}")
        return self.card(name, version)


def explainable(card: ModelCard) -> bool:
    """Return whether there is a TorchScript copy of a network."""
    return TORCHSCRIPT in card.files
