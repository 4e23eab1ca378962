from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from radiolucent.handlers import CardError, RepositoryError
from radiolucent.handlers.guard import Guard
from radiolucent.handlers.repository import (
    Repository,
    load_guard,
    load_set,
    new_member_version,
    publish_set,
    read_set,
    staging,
    verify,
)

MEMBERS = {"resnet18": 2, "densenet161": 1}
Fill = Callable[..., None]


def visible(repository: Repository) -> list[str]:
    return sorted(str(path.relative_to(repository.root)) for path in repository.root.rglob("*") if path.is_file())


def test_a_set_names_its_members_labels_and_checksums(repository: Repository) -> None:
    published = publish_set(repository, MEMBERS)
    loaded = load_set(repository, 1)
    assert loaded.model_set == published == read_set(repository, 1)
    assert list(loaded.cards) == list(MEMBERS)
    assert {name: card.version for name, card in loaded.cards.items()} == MEMBERS
    assert published.labels == ("A", "B")
    assert len(published.files) == 7
    assert loaded.thresholds == ((0.5, 0.5), (0.5, 0.5))
    assert verify(repository, 1) == ()
    assert repository.members() == ("resnet18", "densenet161")


def test_the_guard_of_a_set_is_a_file_of_the_set(repository: Repository, guard: Guard) -> None:
    assert load_guard(repository, publish_set(repository, MEMBERS)) is None
    published = publish_set(repository, MEMBERS, guard=guard)
    assert load_guard(repository, published) == guard
    assert verify(repository, 2) == ()
    path = repository.set_dir(2) / "guard.json"
    path.write_text(path.read_text().replace(":100,", ":101,"))
    assert "guard.json: is not the file that was published" in verify(repository, 2)[0]
    with pytest.raises(RepositoryError, match=r"guard\.json"):
        load_set(repository, 2)
    path.write_text("{}")
    with pytest.raises(RepositoryError, match="not a valid guard"):
        load_guard(repository, published)
    path.unlink()
    assert "guard.json: is missing" in verify(repository, 2)[0]


def test_a_set_is_also_the_version_of_its_python_models(repository: Repository) -> None:
    publish_set(repository, MEMBERS)
    for model in ("preprocess", "vote"):
        program = (repository.version_dir(model, 1) / "model.py").read_text()
        assert program.startswith(f"from radiolucent.handlers.triton.{model} import TritonPythonModel")


def test_sets_are_numbered_and_never_overwritten(repository: Repository) -> None:
    assert [publish_set(repository, MEMBERS).version for _ in range(3)] == [1, 2, 3]
    assert repository.set_versions() == (1, 2, 3)


def test_what_an_interrupted_publication_left_is_skipped(repository: Repository) -> None:
    (repository.version_dir("preprocess", 7)).mkdir(parents=True)
    repository.set_dir(3).mkdir(parents=True)
    assert repository.set_versions() == ()
    assert publish_set(repository, MEMBERS).version == 8


def test_versions_count_as_numbers(repository: Repository, fill: Fill) -> None:
    for _ in range(9):
        with new_member_version(repository, "resnet18") as (folder, version):
            fill(folder, "resnet18", version)
    assert repository.versions("resnet18")[-2:] == (10, 11)
    assert repository.next_version("resnet18") == 12


def test_a_half_written_version_is_never_visible(repository: Repository, fill: Fill) -> None:
    before = visible(repository)
    with new_member_version(repository, "resnet18") as (folder, version):
        fill(folder, "resnet18", version)
        assert [path for path in visible(repository) if not path.startswith("chest_xray/.staging")] == before
        assert repository.versions("resnet18") == (1, 2)
    assert repository.versions("resnet18") == (1, 2, 3)
    assert not repository.staging.exists()


def test_a_version_that_fails_while_written_leaves_nothing(repository: Repository, fill: Fill) -> None:
    before = visible(repository)

    def interrupted() -> None:
        with new_member_version(repository, "resnet18") as (folder, version):
            fill(folder, "resnet18", version)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert visible(repository) == before
    assert not repository.staging.exists()


def test_a_version_without_its_card_is_not_published(repository: Repository) -> None:
    with (
        pytest.raises(RepositoryError, match=r"without a valid card\.json"),
        new_member_version(repository, "resnet18") as (folder, _),
    ):
        (folder / "model.onnx").write_bytes(b"x")
    assert repository.versions("resnet18") == (1, 2)


def test_a_version_unlike_its_card_is_not_published(repository: Repository, fill: Fill) -> None:
    def altered() -> None:
        with new_member_version(repository, "resnet18") as (folder, version):
            fill(folder, "resnet18", version)
            (folder / "model.pt").write_bytes(b"other")

    with pytest.raises(RepositoryError, match=r"model\.pt: is missing or not what the card says"):
        altered()
    assert repository.versions("resnet18") == (1, 2)


def test_of_two_writers_of_a_version_one_loses(repository: Repository, fill: Fill) -> None:
    def race() -> None:
        with new_member_version(repository, "resnet18") as (slow, slow_version):
            fill(slow, "resnet18", slow_version)
            with new_member_version(repository, "resnet18") as (fast, fast_version):
                fill(fast, "resnet18", fast_version)

    with pytest.raises(RepositoryError, match="never overwritten"):
        race()
    assert load_set(repository, publish_set(repository, {"resnet18": 3}).version).cards["resnet18"].version == 3


def test_the_rename_itself_overwrites_nothing(
    repository: Repository, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "exists", lambda self: False)
    with staging.stage(repository) as folder:
        (folder / "model.onnx").write_bytes(b"new")
        with pytest.raises(RepositoryError, match="cannot be published"):
            staging.publish(folder, repository.version_dir("resnet18", 1))
    assert (repository.version_dir("resnet18", 1) / "model.onnx").read_bytes() == b"model.onnx of resnet18 1"


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda root: (root / "resnet18/2/model.onnx").write_bytes(b"x"), "model.onnx: is not the file"),
        (lambda root: (root / "resnet18/2/model.pt").unlink(), "model.pt: is missing"),
        (lambda root: (root / "densenet161/1/card.json").write_text("{}"), "card.json: is not the file"),
        (lambda root: (root / "chest_xray/1/model_set.json").write_text("{"), "is not a valid model set"),
        (lambda root: (root / "chest_xray/1/model_set.json").unlink(), "cannot read the model set"),
    ],
)
def test_what_is_wrong_with_a_set_is_named(
    repository: Repository, damage: Callable[[Path], object], problem: str
) -> None:
    publish_set(repository, MEMBERS)
    damage(repository.root)
    assert problem in verify(repository, 1)[0]
    with pytest.raises((RepositoryError, CardError), match=problem):
        load_set(repository, 1)


def test_all_that_is_wrong_is_listed(repository: Repository) -> None:
    publish_set(repository, MEMBERS)
    for name in ("resnet18/2/model.onnx", "resnet18/2/model.pt", "vote/1/model.py"):
        (repository.root / name).unlink()
    assert len(verify(repository, 1)) == 3


def test_a_set_cannot_point_out_of_the_repository(repository: Repository, tmp_path: Path) -> None:
    publish_set(repository, MEMBERS)
    path = repository.set_dir(1) / "model_set.json"
    content = json.loads(path.read_text())
    content["files"]["../outside"] = "0" * 64
    path.write_text(json.dumps(content))
    assert "outside the repository" in verify(repository, 1)[0]


def test_networks_with_different_labels_are_no_set(repository: Repository, fill: Fill) -> None:
    with new_member_version(repository, "other") as (folder, version):
        fill(folder, "other", version, labels=("B", "A"))
    with pytest.raises(RepositoryError, match="other: does not have the labels of resnet18"):
        publish_set(repository, {"resnet18": 1, "other": 1})
    assert repository.set_versions() == ()


def test_a_set_of_nothing_or_of_the_missing_is_refused(repository: Repository) -> None:
    with pytest.raises(RepositoryError, match="at least one network"):
        publish_set(repository, {})
    with pytest.raises(CardError, match="cannot read"):
        publish_set(repository, {"resnet18": 9})


def test_the_ensemble_is_no_network(repository: Repository) -> None:
    with pytest.raises(RepositoryError, match="not a network"):
        repository.member_version_dir("vote", 1)


def test_a_card_in_the_wrong_folder_is_noticed(repository: Repository) -> None:
    repository.version_dir("resnet18", 2).rename(repository.version_dir("resnet18", 5))
    with pytest.raises(RepositoryError, match="is the card of resnet18 2"):
        repository.card("resnet18", 5)
