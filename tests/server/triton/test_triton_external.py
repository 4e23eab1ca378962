"""A set that is removed from the shared repository while an external Triton serves it."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from radiolucent.handlers.repository import Repository
from radiolucent.server.triton.client import ModelState
from radiolucent.server.triton.external import ExternalSets
from radiolucent.server.triton.kept import KeptVersions


class Client:
    """A Triton that serves the newest set of the repository whenever it is asked to load, as long as there is one."""

    address = "grpc://elsewhere:8001"

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.serving = 0

    async def index(self) -> tuple[ModelState, ...]:
        return (ModelState("chest_xray", self.serving, "READY", ""),) if self.serving else ()

    async def load(self, name: str) -> None:
        assert name == "chest_xray"
        self.serving = max(self.repository.set_versions())


@pytest.fixture
def kept() -> KeptVersions:
    return KeptVersions()


@pytest.fixture
async def sets(repository: Repository, kept: KeptVersions) -> ExternalSets:
    for name in ("resnet18", "resnet34"):
        repository.torchscript(name, 1).write_text("weights")
    client: Any = Client(repository)
    sets = ExternalSets(repository, client, kept)
    await sets.restore()
    return sets


async def test_a_set_that_was_removed_is_not_served_although_triton_still_has_it(
    sets: ExternalSets, kept: KeptVersions, repository: Repository
) -> None:
    assert sets.status(available=True).model_set is not None
    with kept.lease():
        shutil.rmtree(repository.root / "resnet18")
        shutil.rmtree(repository.set_dir(1))
        assert await sets.refresh()
        status = sets.status(available=True)
        assert status.model_set is None
        assert "Triton serves it, but here" in status.refused[0].reason
        path = kept.torchscript("resnet18", 1)
        assert path is not None
        assert path.read_text() == "weights"
    assert kept.torchscript("resnet18", 1) is None
    assert not await sets.refresh()


async def test_triton_is_asked_for_the_set_that_is_left(sets: ExternalSets, repository: Repository) -> None:
    shutil.copytree(repository.set_dir(1), repository.set_dir(2))
    document = repository.set_dir(2) / "model_set.json"
    document.write_text(document.read_text().replace('"version": 1', '"version": 2'))
    for model in ("preprocess", "vote"):
        repository.version_dir(model, 2).mkdir(parents=True)
        (repository.version_dir(model, 2) / "model.py").touch()
    for expected in (2, 1):
        assert await sets.refresh()
        status = sets.status(available=True)
        assert status.model_set is not None
        assert status.model_set.model_set.version == expected
        shutil.rmtree(repository.set_dir(2), ignore_errors=True)
