"""What is served can be read until the last request that may need it has ended."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from radiolucent.handlers.card import InputSpec, Label, ModelCard, Parity
from radiolucent.handlers.repository import Repository
from radiolucent.server.triton.kept import KeptRepository, KeptVersions, OpenFiles, SecondNames

Files = OpenFiles | SecondNames


def card(version: int = 1, created: str = "2024-05-01T00:00:00Z") -> ModelCard:
    return ModelCard(
        name="mine",
        title="Mine",
        version=version,
        architecture="small",
        source="imported",
        labels=(Label(name="Nodule"),),
        input=InputSpec(size=16),
        parity=Parity(),
        files={"model.pt": "0" * 64},
        created=created,
    )


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "models")
    for version in (1, 2):
        folder = repository.version_dir("mine", version)
        folder.mkdir(parents=True)
        (folder / "model.pt").write_text(f"weights {version}")
    repository.set_dir(1).mkdir(parents=True)
    return repository


@pytest.fixture(params=[lambda _: OpenFiles(), lambda repository: SecondNames(repository.held)], ids=["open", "named"])
def kept(request: pytest.FixtureRequest, repository: Repository) -> KeptVersions:
    make: Callable[[Repository], Files] = request.param
    return KeptVersions(make(repository))


def test_a_deleted_file_is_read_while_it_is_served_and_while_a_lease_of_that_time_is_open(
    kept: KeptVersions, repository: Repository
) -> None:
    seen = KeptRepository(repository.root, kept)
    kept.keep(repository, [card(1)])
    kept.only(None, [card(1)])
    with kept.lease():
        with kept.lease():
            shutil.rmtree(repository.version_dir("mine", 1))
            kept.keep(repository, [card(2)])
            kept.only(None, [card(2)])
            path = seen.torchscript("mine", 1)
        assert path.read_text() == "weights 1"
        assert seen.card("mine", 1) == card(1)
    assert not path.exists()
    assert kept.card("mine", 1) is None
    assert seen.torchscript("mine", 2).read_text() == "weights 2"
    kept.close()
    assert not repository.held.exists()


def test_a_request_that_came_later_does_not_keep_what_it_cannot_have_seen(
    kept: KeptVersions, repository: Repository
) -> None:
    kept.keep(repository, [card(1)])
    with kept.lease():
        kept.only(None, [])
        assert kept.card("mine", 1) is not None
        later = kept.lease()
        later.__enter__()
    assert kept.card("mine", 1) is None
    later.__exit__(None, None, None)
    kept.close()


def test_what_is_served_again_stays(kept: KeptVersions, repository: Repository) -> None:
    kept.keep(repository, [card(1)])
    with kept.lease():
        kept.only(None, [])
        kept.keep(repository, [card(1)])
    assert kept.card("mine", 1) == card(1)
    kept.close()


def test_other_weights_under_a_number_in_use_are_noticed(kept: KeptVersions, repository: Repository) -> None:
    again = card(1, created="2024-06-01T00:00:00Z")
    kept.keep(repository, [card(1)])
    assert kept.others([card(1), card(2)]) == ()
    assert kept.others([again]) == (again,)
    kept.close()


def test_a_version_whose_file_is_missing_is_not_kept(kept: KeptVersions, repository: Repository) -> None:
    with pytest.raises(FileNotFoundError):
        kept.keep(repository, [card(3)])
    assert kept.card("mine", 3) is None
    kept.close()


def test_what_a_killed_gateway_left_is_swept_and_what_another_uses_is_not(repository: Repository) -> None:
    file = repository.torchscript("mine", 1)
    other, mine = SecondNames(repository.held), SecondNames(repository.held)
    used = other.hold(file)
    left = repository.held / "left"
    left.mkdir()
    (left / "lock").touch()
    (left / "mine-1-1.pt").hardlink_to(file)
    held = mine.hold(file)
    assert not left.exists()
    assert used.path.read_text() == held.path.read_text() == "weights 1"
    mine.close()
    assert used.path.exists()
    other.close()
    assert not repository.held.exists()


def test_where_no_second_name_can_be_made_the_file_is_used_under_its_own(
    repository: Repository, caplog: pytest.LogCaptureFixture
) -> None:
    names = SecondNames(repository.root / "missing" / "folder")
    assert names.hold(repository.torchscript("mine", 1)).path == repository.torchscript("mine", 1)
    assert "cannot be held" in caplog.text
