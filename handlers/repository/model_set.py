"""The model set: networks, thresholds and vote that belong together, and the unit of release."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..card import Label, ModelCard, Name, Sha256
from ..card_file import load_record, save_record
from ..ensemble_card import EnsembleCard, EnsembleFacts, make_ensemble_card
from ..errors import CardError, RepositoryError
from ..guard import Guard
from .checksum import sha256
from .layout import ENSEMBLE, GUARD_FILE, PREPROCESS, VOTE, Repository
from .staging import publish, stage

__all__ = ["LoadedSet", "ModelSet", "load_set", "new_member_version", "publish_set", "read_set", "verify"]

_NO_FACTS = EnsembleFacts()
_PYTHON_MODEL = "from radiolucent.handlers.triton.{module} import TritonPythonModel  # noqa: F401\n"


class ModelSet(BaseModel):
    """What is written to ``chest_xray/<version>/model_set.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    """Of this document."""
    version: int = Field(ge=1)
    """Also the version of the Triton models chest_xray, preprocess and vote of this set."""
    members: dict[Name, int] = Field(min_length=1)
    """Version of each network, in the order in which answers list them."""
    vote: Literal["majority"] = "majority"
    """How the networks decide."""
    labels: tuple[str, ...] = Field(min_length=1)
    """Labels, in the order in which answers list them; the same in all members."""
    files: dict[str, Sha256]
    """Checksums of the members' cards and weights, the set's own card and its guard, by path below the repository."""
    created: datetime
    """When."""

    def to_json(self) -> str:
        """Return the set as it is written to ``model_set.json``."""
        return self.model_dump_json(indent=2) + "\n"


@dataclass(frozen=True)
class LoadedSet:
    """A model set with the cards of its members.

    Parameters
    ----------
    model_set : ModelSet
        The set.
    cards : mapping of str to ModelCard
        In the order of the set's members.
    card : EnsembleCard
        The set's own; of a set that was published without one, made of its members' cards.
    """

    model_set: ModelSet
    cards: Mapping[str, ModelCard]
    card: EnsembleCard

    @property
    def labels(self) -> tuple[Label, ...]:
        """Labels with their hierarchy; thresholds are those of the first member."""
        return next(iter(self.cards.values())).labels

    @property
    def thresholds(self) -> tuple[tuple[float, ...], ...]:
        """Thresholds, members x labels."""
        return tuple(tuple(label.threshold for label in card.labels) for card in self.cards.values())


@contextmanager
def new_member_version(repository: Repository, name: str) -> Iterator[tuple[Path, int]]:
    """Write the next version of a network: fill the folder, and it appears whole when the block ends well.

    Parameters
    ----------
    repository : Repository
        Where.
    name : str
        The network.

    Yields
    ------
    tuple of Path and int
        An empty folder to write ``model.onnx``, ``model.pt`` and ``card.json`` to, and the version to come.

    Raises
    ------
    RepositoryError
        If what was written is not a sound version, or the version exists meanwhile. Nothing is left then.
    """
    version = repository.next_version(name)
    target = repository.member_version_dir(name, version)
    with stage(repository) as folder:
        yield folder, version
        try:
            card = ModelCard.model_validate_json((folder / "card.json").read_bytes())
        except (OSError, ValidationError) as error:
            raise RepositoryError(target, "was written without a valid card.json") from error
        if (card.name, card.version) != (name, version):
            raise RepositoryError(target, f"was written with the card of {card.name} {card.version}")
        for file, checksum in card.files.items():
            if not (folder / file).is_file() or sha256(folder / file) != checksum:
                raise RepositoryError(target / file, "is missing or not what the card says")
        publish(folder, target)


def publish_set(
    repository: Repository,
    members: Mapping[str, int],
    facts: EnsembleFacts = _NO_FACTS,
    *,
    guard: Guard | None = None,
) -> ModelSet:
    """Publish the next model set.

    The set exists from the moment its ``model_set.json`` does, which is the last thing to appear.

    Parameters
    ----------
    repository : Repository
        Where.
    members : mapping of str to int
        Version of each network, in the order in which answers shall list them.
    facts : EnsembleFacts
        What the set's card shall say beside what its networks' cards do.
    guard : Guard, optional
        What warns of X-rays unlike the training data.

    Returns
    -------
    ModelSet
        What was published.

    Raises
    ------
    CardError, RepositoryError
        If a member is missing or damaged, or the members do not have the same labels.
    """
    if not members:
        raise RepositoryError(repository.model_dir(ENSEMBLE), "a model set needs at least one network")
    cards = {name: repository.card(name, version) for name, version in members.items()}
    _require_same_labels(repository, cards)
    files: dict[str, str] = {}
    for name, card in cards.items():
        prefix = f"{name}/{card.version}"
        for file, checksum in card.files.items():
            _require(repository, f"{prefix}/{file}", checksum)
            files[f"{prefix}/{file}"] = checksum
        files[f"{prefix}/card.json"] = sha256(repository.root / prefix / "card.json")
    version, created = repository.next_set_version(), datetime.now(timezone.utc)
    own = make_ensemble_card(ENSEMBLE, version, cards, facts, created)
    files[_own_card(version)] = hashlib.sha256(own.to_json().encode()).hexdigest()
    guard_text = None if guard is None else (guard.model_dump_json() + "\n").encode()
    if guard_text is not None:
        files[f"{ENSEMBLE}/{version}/{GUARD_FILE}"] = hashlib.sha256(guard_text).hexdigest()
    model_set = ModelSet(
        version=version,
        members=dict(members),
        labels=next(iter(cards.values())).label_names,
        files=files,
        created=created,
    )
    for model, module in ((PREPROCESS, "preprocess"), (VOTE, "vote")):
        with stage(repository) as folder:
            (folder / "model.py").write_text(_PYTHON_MODEL.format(module=module), encoding="utf-8")
            publish(folder, repository.version_dir(model, model_set.version))
    with stage(repository) as folder:
        save_record(own, folder / "card.json")
        if guard_text is not None:
            (folder / GUARD_FILE).write_bytes(guard_text)
        (folder / "model_set.json").write_text(model_set.to_json(), encoding="utf-8")
        publish(folder, repository.set_dir(model_set.version))
    return model_set


def read_set(repository: Repository, version: int) -> ModelSet:
    """Read a model set's own document, without looking at its members.

    Raises
    ------
    RepositoryError
        If it is missing or invalid.
    """
    path = repository.set_dir(version) / "model_set.json"
    try:
        model_set = ModelSet.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RepositoryError(path, f"cannot read the model set: {error.strerror}") from error
    except ValidationError as error:
        raise RepositoryError(path, "is not a valid model set") from error
    if model_set.version != version:
        raise RepositoryError(path, f"is model set {model_set.version}")
    return model_set


def load_set(repository: Repository, version: int, *, check: bool = True) -> LoadedSet:
    """Read a model set and the cards of its members.

    Parameters
    ----------
    repository : Repository
        Where.
    version : int
        Which set.
    check : bool
        Read every file of the set and compare its checksum (about a second per gigabyte).

    Returns
    -------
    LoadedSet
        Set and cards.

    Raises
    ------
    CardError, RepositoryError
        At the first thing that is wrong.
    """
    model_set = read_set(repository, version)
    if check:
        for relative, checksum in model_set.files.items():
            _require(repository, relative, checksum)
    cards = {name: repository.card(name, v) for name, v in model_set.members.items()}
    _require_same_labels(repository, cards)
    if model_set.labels != next(iter(cards.values())).label_names:
        raise RepositoryError(repository.set_dir(version), "the set's labels are not those of its members")
    return LoadedSet(model_set, cards, _ensemble_card(repository, model_set, cards))


def verify(repository: Repository, version: int) -> tuple[str, ...]:
    """List everything that is wrong with a model set; never raises for what it finds.

    Parameters
    ----------
    repository : Repository
        Where.
    version : int
        Which set.

    Returns
    -------
    tuple of str
        One sentence per problem; empty for a sound set.
    """
    try:
        model_set = read_set(repository, version)
    except RepositoryError as error:
        return (str(error),)
    problems = [
        f"{repository.root / relative}: {problem}"
        for relative, checksum in model_set.files.items()
        if (problem := _fault(repository, relative, checksum))
    ]
    for model in (PREPROCESS, VOTE):
        path = repository.version_dir(model, version) / "model.py"
        if not path.is_file():
            problems.append(f"{path}: is missing")
    if not problems:
        try:
            load_set(repository, version, check=False)
        except (CardError, RepositoryError) as error:
            problems.append(str(error))
    return tuple(problems)


def _own_card(version: int) -> str:
    return f"{ENSEMBLE}/{version}/card.json"


def _ensemble_card(repository: Repository, model_set: ModelSet, cards: Mapping[str, ModelCard]) -> EnsembleCard:
    if _own_card(model_set.version) not in model_set.files:  # published before sets had cards
        return make_ensemble_card(ENSEMBLE, model_set.version, cards, _NO_FACTS, model_set.created)
    path = repository.root / _own_card(model_set.version)
    card = load_record(EnsembleCard, path)
    if (card.version, list(card.members.items())) != (model_set.version, list(model_set.members.items())):
        raise RepositoryError(path, "is the card of another model set")
    return card


def _fault(repository: Repository, relative: str, checksum: str) -> str | None:
    path = repository.root / relative
    if Path(relative).is_absolute() or ".." in Path(relative).parts:
        return "is outside the repository"
    if not path.is_file():
        return "is missing"
    if sha256(path) != checksum:
        return "is not the file that was published (checksum differs)"
    return None


def _require(repository: Repository, relative: str, checksum: str) -> None:
    if problem := _fault(repository, relative, checksum):
        raise RepositoryError(repository.root / relative, problem)


def _require_same_labels(repository: Repository, cards: Mapping[str, ModelCard]) -> None:
    """Networks can only vote on the same question: same labels, same order, same hierarchy."""
    questions: Sequence[tuple[tuple[str, str | None], ...]] = [
        tuple((label.name, label.implies) for label in card.labels) for card in cards.values()
    ]
    for name, question in zip(cards, questions, strict=True):
        if question != questions[0]:
            raise RepositoryError(repository.model_dir(name), f"does not have the labels of {next(iter(cards))}")
