"""What the embedded Triton sees: a private repository of links to versions that were checked.

Not the model repository itself, for three reasons. Triton reads the `config.pbtxt` of all members again whenever it
loads an ensemble, so a configuration given with a load request does not last; a `config.pbtxt` here does. A version
that was not checked is out of its sight. And every version is a model of its own here, `resnet18@3`, so that a new
model set is loaded beside the old one, whatever its networks, input sizes and backends, and the ensemble passes from
one to the other in one step.
"""

from __future__ import annotations

import os
import py_compile
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ...handlers.card import ModelCard
from ...handlers.repository import ENSEMBLE, PREPROCESS, VOTE, LoadedSet, Repository
from ...handlers.repository.triton_config import ModelConfig, to_pbtxt
from ...handlers.repository.triton_models import Member, ensemble_config, member_config, preprocess_config, vote_config


def served_name(name: str, version: int) -> str:
    """Name in the embedded Triton of one version of a model; `@` is in no network's name."""
    return f"{name}@{version}"


class ModelView:
    """The folder that the embedded Triton serves.

    Parameters
    ----------
    folder
        Where; on any file system.
    repository
        What it links to.
    threads
        Threads of one inference of one network.
    """

    def __init__(self, folder: Path, repository: Repository, threads: int = 1) -> None:
        self._folder = folder
        self._repository = Repository(repository.root.resolve())
        self._threads = threads

    def place_set(self, loaded: LoadedSet) -> tuple[str, ...]:
        """Make the models of a set visible, without the ensemble.

        Returns
        -------
        tuple of str
            The names to load, in any order.
        """
        version = loaded.model_set.version
        members = [Member.of(card) for card in loaded.cards.values()]
        self._link(self._folder / ENSEMBLE / str(version), self._repository.set_dir(version))
        return (
            *(self.place_network(card) for card in loaded.cards.values()),
            self._place_python(PREPROCESS, version, preprocess_config(members, versions=(version,))),
            self._place_python(VOTE, version, vote_config(members, versions=(version,))),
        )

    def place_network(self, card: ModelCard) -> str:
        """Make one version of one network visible; return the name to load."""
        # The Python models read the cards of their networks under their own names.
        self._link(self._folder / card.name / str(card.version), self._repository.version_dir(card.name, card.version))
        config = member_config(Member.of(card), versions=(card.version,), threads=self._threads)
        return self._place(card.name, card.version, config)

    def point_ensemble(self, loaded: LoadedSet) -> None:
        """Make the ensemble that of this set, for the next time that it is loaded."""
        version = loaded.model_set.version
        for link in (self._folder / ENSEMBLE).iterdir():
            if link.is_symlink() and not link.exists():  # that set was removed: Triton stumbles over the link
                link.unlink()
        config = ensemble_config([Member.of(card) for card in loaded.cards.values()], set_version=version)
        steps = tuple(
            replace(step, model=served_name(step.model, step.version), version=step.version) for step in config.steps
        )
        self._write(ENSEMBLE, replace(config, steps=steps))

    def remove(self, names: Iterable[str]) -> None:
        """Take models out of sight that are not loaded any more."""
        for name in names:
            shutil.rmtree(self._folder / name, ignore_errors=True)
            folder, _, version = name.partition("@")
            if version:  # by which Python models found its card
                (self._folder / folder / version).unlink(missing_ok=True)

    def _place(self, name: str, version: int, config: ModelConfig) -> str:
        served = served_name(name, version)
        self._link(self._folder / served / str(version), self._repository.version_dir(name, version))
        self._write(served, replace(config, name=served))
        return served

    def _place_python(self, name: str, version: int, config: ModelConfig) -> str:
        """Copy a Python model and compile it.

        Python would write the compiled form when the model starts: into the repository if this were a link, and Triton
        would take the folder for changed and load the model again.
        """
        served = served_name(name, version)
        model = self._folder / served / str(version) / "model.py"
        if not model.exists():
            model.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._repository.version_dir(name, version) / "model.py", model)
            py_compile.compile(str(model), doraise=False)
        self._write(served, replace(config, name=served))
        return served

    def _write(self, served: str, config: ModelConfig) -> None:
        path = self._folder / served / "config.pbtxt"
        text = to_pbtxt(config)
        # Triton takes a file written again for a change, and loads the model again.
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, path)

    @staticmethod
    def _link(link: Path, target: Path) -> None:
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(target, target_is_directory=True)
