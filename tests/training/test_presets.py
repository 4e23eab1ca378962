"""The presets say what they are named after, and every value of them can be changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import typer
from pydantic import ValidationError
from radiolucent.datasets import make_labels
from radiolucent.handlers.card import DataRecord
from radiolucent.training.augmentation import Augment, Augmentation
from radiolucent.training.module import MultilabelClassifier
from radiolucent.training.networks import NETWORKS
from radiolucent.training.options import changed, changes_of, choose_weights
from radiolucent.training.presets import PAPER_DRAWS, demo_settings, paper_settings, standard_settings
from radiolucent.training.settings import NetworkSettings, RunSettings

DATA = DataRecord(name="films", checksum="0" * 64)
LABELS = make_labels(("Pneumonia", "No Finding"))


@pytest.fixture
def standard() -> RunSettings:
    return standard_settings(DATA, LABELS, tuple(NETWORKS), 0, {})


def test_the_papers_preset_is_the_papers_recipe() -> None:
    paper = paper_settings(DATA, LABELS, tuple(NETWORKS), 0, {})
    assert PAPER_DRAWS == "draws:5"
    assert (paper.threshold, paper.calibration, paper.imbalance) == (0.51, "none", None)
    assert paper.augmentation == Augmentation()
    for own in paper.networks.values():
        assert (own.size, own.epochs, own.batch, own.weights) == (512, 250, 8, "imagenet")
        assert (own.patience, own.warm_up) == (None, None)
        optimizer = MultilabelClassifier(torch.nn.Linear(1, 1), own, 10).configure_optimizers()
        assert type(optimizer) is torch.optim.Adam
        assert [optimizer.defaults[name] for name in ("lr", "weight_decay")] == [1e-3, 1e-4]


def test_our_own_never_mirrors_patients_and_starts_where_it_says(standard: RunSettings) -> None:
    assert not standard.augmentation.flip
    assert {own.weights for own in standard.networks.values()} == {"none"}
    trained = standard_settings(DATA, LABELS, ("resnet18",), 0, {"resnet18": "imagenet"}).networks["resnet18"]
    assert trained.learning_rate < standard.networks["resnet18"].learning_rate


def test_its_learning_rate_warms_up_and_falls_to_nothing(standard: RunSettings) -> None:
    own = standard.networks["resnet18"]
    made = MultilabelClassifier(torch.nn.Linear(1, 1), own, 100).configure_optimizers()
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step() if len(rates) < 100 else None
    assert rates.index(max(rates)) == 9
    assert max(rates) == pytest.approx(own.learning_rate)
    assert rates[-1] < 1e-3 * own.learning_rate
    assert optimizer.param_groups[0]["betas"][0] == 0.9


def test_the_demo_stays_one_pass_of_steps() -> None:
    demo = demo_settings(DATA, LABELS, tuple(NETWORKS), 0)
    assert all(own.epochs is None and own.steps for own in demo.networks.values())
    assert demo.augmentation == Augmentation(flip=True, erase=2)
    assert (demo.calibration, demo.imbalance, demo.batch_norm_films) == ("none", None, 256)


@pytest.mark.parametrize("wrong", [{}, {"epochs": 1, "steps": 1}, {"steps": 1, "patience": 1}])
def test_a_training_has_one_end(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="epochs"):
        NetworkSettings(size=32, **wrong)


def test_options_change_one_network_or_all(standard: RunSettings) -> None:
    networks = tuple(standard.networks)
    changes = changes_of("size", ["128", "inception_v3=160"], networks)
    changes += changes_of("patience", ["null"], networks)
    changes += [("augmentation.rotation", "0"), ("networks.*.optimizer", "adam"), ("threshold", "0.4")]
    made = changed(standard, changes)
    assert {name: own.size for name, own in made.networks.items()} == dict.fromkeys(networks, 128) | {
        "inception_v3": 160
    }
    assert {own.optimizer for own in made.networks.values()} == {"adam"}
    assert {own.patience for own in made.networks.values()} == {None}
    assert (made.augmentation.rotation, made.threshold) == (0, 0.4)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("colour", "1", "there is no setting 'colour'"),
        ("augmentation.colour", "1", "there is no setting 'augmentation.colour'"),
        ("networks.resnet18.size", "7", "networks.resnet18.size: Input should be greater than or equal to 32"),
        ("calibration", "isotonic", "calibration: Input should be 'platt', 'temperature' or 'none'"),
        ("networks.resnet18.steps", "5", "networks.resnet18: Value error, give either epochs or steps"),
    ],
)
def test_a_setting_that_cannot_be_is_named(standard: RunSettings, path: str, value: str, message: str) -> None:
    with pytest.raises(typer.BadParameter) as raised:
        changed(standard, [(path, value)])
    assert message in str(raised.value)


def test_another_networks_size_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="'resnet34' is not among the networks"):
        changes_of("size", ["resnet34=128"], ["resnet18"])


def test_weights_come_for_all_networks_for_one_or_from_a_folder(tmp_path: Path) -> None:
    both = ("resnet18", "resnet34")
    assert choose_weights(None, both) == {}
    assert choose_weights(["imagenet", "resnet34=w.pth"], both) == {"resnet18": "imagenet", "resnet34": "w.pth"}
    assert choose_weights(["w.pth"], ["resnet18"]) == {"resnet18": "w.pth"}
    (tmp_path / "resnet18.safetensors").touch()
    with pytest.raises(typer.BadParameter, match=r"there is no .*resnet34\.safetensors"):
        choose_weights([str(tmp_path)], both)
    (tmp_path / "resnet34.safetensors").touch()
    assert choose_weights([str(tmp_path)], both)["resnet34"] == str(tmp_path / "resnet34.safetensors")


def test_augmentation_depends_on_its_seed_alone_and_stays_in_range(standard: RunSettings) -> None:
    augment = Augment(standard.augmentation)
    films = torch.rand(4, 1, 40, 40)
    one = augment(films.clone(), (0, 1, 2))
    torch.manual_seed(9)
    before = torch.get_rng_state()
    torch.testing.assert_close(augment(films.clone(), (0, 1, 2)), one)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(augment(films.clone(), (0, 1, 3)), one)
    assert 0 <= one.min() <= one.max() <= 1


def test_no_augmentation_changes_nothing() -> None:
    films = torch.rand(4, 1, 40, 40)
    torch.testing.assert_close(Augment(Augmentation())(films.clone(), (0,)), films)
