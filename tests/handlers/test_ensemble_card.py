from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from radiolucent.handlers import Calibration, CardError, EnsembleFacts, RepositoryError
from radiolucent.handlers.card import ThresholdRecord
from radiolucent.handlers.evaluated import Estimate, Evaluation, ShortcutVerdict
from radiolucent.handlers.repository import Repository, load_set, new_member_version, publish_set, verify

MEMBERS = {"resnet18": 2, "densenet161": 1}
EVALUATION = Evaluation(
    data="films, test",
    checksum="0" * 64,
    films=20,
    patients=10,
    metrics={"micro_f1": Estimate(value=0.8, low=0.7, high=0.9)},
    verdicts=tuple(ShortcutVerdict(label=name, excluded=True, text="shortcut excluded: surely") for name in "AB"),
    created=datetime(2026, 1, 1, tzinfo=timezone.utc),
)
THRESHOLDS = tuple(ThresholdRecord(label=name, value=0.3, chosen_by="largest F1", split="val") for name in "AB")


def test_a_set_is_published_with_a_card_of_its_own(repository: Repository) -> None:
    publish_set(repository, MEMBERS, EnsembleFacts(thresholds=THRESHOLDS, evaluation=EVALUATION))
    card = load_set(repository, 1).card
    assert (card.name, card.version, card.members) == ("chest_xray", 1, MEMBERS)
    assert [label.threshold for label in card.labels] == [0.3, 0.3]
    assert card.verdict == "shortcut excluded"
    assert "its own threshold" in " ".join(card.vote_rule.split())
    assert card.evaluation == EVALUATION


def test_a_set_that_nobody_evaluated_says_so(repository: Repository) -> None:
    publish_set(repository, MEMBERS)
    assert load_set(repository, 1).card.verdict == "shortcut not excluded: not evaluated"


def test_the_card_of_a_set_says_which_networks_are_calibrated(
    repository: Repository, fill: Callable[..., None]
) -> None:
    with new_member_version(repository, "resnet18") as (folder, version):
        fill(folder, "resnet18", version, calibration=Calibration(method="temperature", scale=(2, 2), offset=(0, 0)))
    publish_set(repository, {"resnet18": 3, "densenet161": 1})
    assert load_set(repository, 1).card.calibrated == {"resnet18": "temperature"}


def test_a_set_of_an_older_version_loads_and_gets_a_card_from_its_networks(repository: Repository) -> None:
    publish_set(repository, MEMBERS)
    folder = repository.set_dir(1)
    (folder / "card.json").unlink()
    document = json.loads((folder / "model_set.json").read_text())
    del document["files"]["chest_xray/1/card.json"]
    (folder / "model_set.json").write_text(json.dumps(document))
    assert verify(repository, 1) == ()
    card = load_set(repository, 1).card
    assert card.members == MEMBERS
    assert card.verdict == "shortcut not excluded: not evaluated"


def test_a_card_of_a_set_that_was_altered_is_noticed(repository: Repository) -> None:
    publish_set(repository, MEMBERS)
    path = repository.set_dir(1) / "card.json"
    path.write_text(path.read_text().replace("majority", "minority"))
    assert "chest_xray/1/card.json: is not the file that was published" in verify(repository, 1)[0]


def test_a_card_that_cannot_be_read_or_is_of_another_set_is_refused(repository: Repository) -> None:
    publish_set(repository, MEMBERS)
    publish_set(repository, MEMBERS)
    path = repository.set_dir(1) / "card.json"
    path.write_text((repository.set_dir(2) / "card.json").read_text())
    with pytest.raises(RepositoryError, match="another model set"):
        load_set(repository, 1, check=False)
    path.write_text("{}")
    with pytest.raises(CardError, match="not a valid model card"):
        load_set(repository, 1, check=False)
