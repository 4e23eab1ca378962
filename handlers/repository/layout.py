"""Where things are in the Triton model repository, shared by export and serving.

::

    model_repository/
        resnet18/config.pbtxt
        resnet18/3/{model.onnx,model.pt,card.json}   one version of one network
        preprocess/2/model.py                        the Python models of model set 2
        vote/2/model.py
        chest_xray/2/model_set.json                  model set 2, the unit of release
    chest_xray/2/guard.json                      what warns of X-rays unlike its training data, where it has that
        chest_xray/.staging/                         versions that are still being written
        chest_xray/.serving/                         second names of what a gateway serves with workers elsewhere
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..card import ModelCard, load_card
from ..errors import RepositoryError

__all__ = ["ENSEMBLE", "FIVE_NETWORKS", "PREPROCESS", "VOTE", "Repository"]

FIVE_NETWORKS = ("resnet18", "resnet34", "inception_v3", "inception_resnet_v2", "densenet161")
"""The networks of the paper, named as timm names them."""
ENSEMBLE = "chest_xray"
PREPROCESS = "preprocess"
VOTE = "vote"
TORCHSCRIPT = "model.pt"
"""In the folder of a version of a network: what is explained."""
GUARD_FILE = "guard.json"
"""In the folder of a model set."""

_NOT_MEMBERS = frozenset({ENSEMBLE, PREPROCESS, VOTE})
_VERSION = re.compile(r"[1-9][0-9]*")


@dataclass(frozen=True)
class Repository:
    """A Triton model repository.

    Parameters
    ----------
    root : Path
        Its folder; need not exist yet.
    """

    root: Path

    @property
    def staging(self) -> Path:
        """Folder of versions that are being written: on the same file system, and hidden inside a model's folder.

        Without explicit model control, Triton takes every folder of the root for a model and ends on one that is none.
        """
        return self.model_dir(ENSEMBLE) / ".staging"

    @property
    def held(self) -> Path:
        """Folder of second names of files that a gateway serves."""
        return self.model_dir(ENSEMBLE) / ".serving"

    def model_dir(self, name: str) -> Path:
        """Return the folder of a model."""
        return self.root / name

    def version_dir(self, name: str, version: int) -> Path:
        """Return the folder of one version of a model."""
        return self.model_dir(name) / str(version)

    def member_version_dir(self, name: str, version: int) -> Path:
        """Return the folder of one version of a network."""
        if name in _NOT_MEMBERS:
            raise RepositoryError(self.model_dir(name), "is part of the ensemble, not a network")
        return self.version_dir(name, version)

    def torchscript(self, name: str, version: int) -> Path:
        """Return the path, absolute and without links, of the TorchScript copy of one version of a network."""
        return (self.member_version_dir(name, version) / TORCHSCRIPT).resolve()

    def set_dir(self, version: int) -> Path:
        """Return the folder of a model set."""
        return self.version_dir(ENSEMBLE, version)

    def members(self) -> tuple[str, ...]:
        """Return the networks that have at least one version, the paper's five first, others by name."""
        if not self.root.is_dir():
            return ()
        found = {
            entry.name
            for entry in self.root.iterdir()
            if not entry.name.startswith(".") and entry.name not in _NOT_MEMBERS and self.versions(entry.name)
        }
        known = [name for name in FIVE_NETWORKS if name in found]
        return (*known, *sorted(found.difference(known)))

    def versions(self, name: str) -> tuple[int, ...]:
        """Return the versions of a model, ascending; empty where there are none."""
        folder = self.model_dir(name)
        if not folder.is_dir():
            return ()
        return tuple(
            sorted(int(entry.name) for entry in folder.iterdir() if _VERSION.fullmatch(entry.name) and entry.is_dir())
        )

    def next_version(self, name: str) -> int:
        """Return the number of a model's next version."""
        return max(self.versions(name), default=0) + 1

    def set_versions(self) -> tuple[int, ...]:
        """Return the model sets that are published, ascending."""
        return tuple(v for v in self.versions(ENSEMBLE) if (self.set_dir(v) / "model_set.json").is_file())

    def next_set_version(self) -> int:
        """Return the number of the next model set; skips what an interrupted publication left behind."""
        return max(self.next_version(name) for name in (ENSEMBLE, PREPROCESS, VOTE))

    def card(self, name: str, version: int) -> ModelCard:
        """Read the card of one version of a network.

        Raises
        ------
        CardError
            If it is missing or invalid.
        RepositoryError
            If it is the card of another network or version.
        """
        path = self.member_version_dir(name, version) / "card.json"
        card = load_card(path)
        if (card.name, card.version) != (name, version):
            raise RepositoryError(path, f"is the card of {card.name} {card.version}")
        return card
