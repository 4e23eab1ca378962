"""Networks over films: against the plain computation, in constant memory, with what fails named."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from radiolucent.datasets import DataSet
from radiolucent.evaluation.errors import FilmsUnreadable
from radiolucent.evaluation.profiles.asked import Made
from radiolucent.evaluation.profiles.asking import ask, refuse_mixed
from radiolucent.evaluation.profiles.errors import ProfileRefused
from radiolucent.evaluation.profiles.making import make_profiles
from radiolucent.evaluation.profiles.subjects import Subjects
from radiolucent.evaluation.profiles.writing import STORED, serve_profiles
from radiolucent.evaluation.tables import Decision
from radiolucent.handlers import InputSpec, decode, preprocess
from radiolucent.handlers.calibration import Calibration
from radiolucent.handlers.profile import PROFILES, load_planes, load_record
from torch import nn

MakeSubjects = Callable[..., Subjects]


def made(subjects: Subjects, folder: Path, groups: str = "label", alignment: str = "none", **more: object) -> Made:
    asked, films = ask(subjects, groups, more.get("layers", ()), alignment, "a", "test")  # type: ignore[arg-type]
    return make_profiles(asked, subjects, films, folder, more.get("progress", lambda *told: None))  # type: ignore[arg-type]


def inputs(data_set: DataSet) -> torch.Tensor:
    spec = InputSpec(size=32)
    return torch.from_numpy(np.stack([preprocess(decode(f.path.read_bytes()), spec).tensor for f in data_set.films]))


def test_group_means_are_the_means_over_patients_of_their_means_over_films(
    residual: Callable, make_subjects: MakeSubjects, data_set: DataSet, tmp_path: Path
) -> None:
    network = residual(3).eval()
    (record,) = made(make_subjects({"a": network}), tmp_path).records
    planes = load_planes(tmp_path, record)
    with torch.no_grad():
        stem = network.relu(network.stem(inputs(data_set))).numpy().astype(np.float64)
    for number, group in enumerate(record.groups):
        chosen = [
            film.known["Pneumonia"] and not film.known["COVID-19"]
            if "without" in group.name
            else film.known[group.name]
            for film in data_set.films
        ]
        patients = sorted({film.group for film, mine in zip(data_set.films, chosen, strict=True) if mine})
        of_patients = [
            np.mean([stem[i] for i, film in enumerate(data_set.films) if chosen[i] and film.group == one], axis=0)
            for one in patients
        ]
        np.testing.assert_allclose(planes[1][number], np.mean(of_patients, axis=0), rtol=1e-5, atol=1e-7)
        assert (group.films, group.patients) == (sum(chosen), len(patients))
    assert [layer.name for layer in record.layers] == ["input", "relu", "pool", "relu_two"]
    assert planes[0].shape == (4, 1, 32, 32)
    assert len(record.layers[3].distances) == 4
    assert record.intended_use == "Research use only. Not for diagnosis."


def test_dead_maps_of_a_network_are_found_where_padding_hides_them_too(
    residual: Callable, make_subjects: MakeSubjects, tmp_path: Path
) -> None:
    (record,) = made(make_subjects({"a": residual(0)}), tmp_path, layers=["relu", "relu_one"]).records
    stem, inner = record.layers
    assert set(stem.constant) >= {0, 1}
    assert set(stem.unvarying) >= {0, 1}
    assert 0 in inner.unvarying
    assert 0 not in inner.constant, "zeros beside the border make its border another value"


def test_memory_does_not_grow_with_the_number_of_films(
    residual: Callable, make_subjects: MakeSubjects, data_set: DataSet, tmp_path: Path
) -> None:
    subjects = make_subjects({"a": residual(0)})
    asked, films = ask(subjects, "label", (), "none", "a", "test")
    held: list[int] = []

    def weigh(task: str, done: int, total: int) -> None:
        gc.collect()
        tensors = {id(one): one for one in gc.get_objects() if issubclass(type(one), torch.Tensor)}
        held.append(sum(one.numel() * one.element_size() for one in tensors.values()))

    make_profiles(asked, subjects, films[:32], tmp_path, weigh)
    few = max(held)
    held.clear()
    make_profiles(asked, subjects, films[:32] * 3, tmp_path, weigh)
    weights = 32 * 2 * 4 * 8  # what each film weighs in each of four groups
    assert len(held) > 6, "batches"
    assert max(held) <= few + weights


def test_groups_by_prediction_go_by_the_vote_that_is_served(
    residual: Callable, make_subjects: MakeSubjects, data_set: DataSet, tmp_path: Path
) -> None:
    network = residual(3).eval()
    with torch.no_grad():
        logits = network(inputs(data_set)).numpy()[:, 0]
    scale, offset = 40.0, float(-40 * np.median(logits))
    threshold = float(1 / (1 + np.exp(-(scale * np.quantile(logits, 0.7) + offset))))
    decision = Decision(
        thresholds=(threshold, 0.5, 0.5),
        calibration=Calibration(method="platt", scale=(scale, 1, 1), offset=(offset, 0, 0)),
    )
    (record,) = made(make_subjects({"a": network}, decision), tmp_path, "label-x-prediction:COVID-19").records
    called = np.array([film.known["COVID-19"] for film in data_set.films])[logits >= np.quantile(logits, 0.7)]
    films = {group.name: group.films for group in record.groups}
    assert films.get("COVID-19, called", 0) == called.sum()
    assert films.get("not COVID-19, called", 0) == (~called).sum()
    assert sum(films.values()) == 37


def test_an_aligned_profile_shows_in_the_middle_what_the_network_looks_at(
    make_subjects: MakeSubjects, data_set: DataSet, tmp_path: Path
) -> None:
    class LooksAtBright(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool, self.act = nn.AvgPool2d(2, 1), nn.ReLU()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            bright = self.act(self.pool(images) - 0.9).flatten(1).sum(1)
            return torch.stack([bright, bright, bright], 1)

    random = np.random.default_rng(1)
    from PIL import Image

    for film in data_set.films:
        pixels = random.integers(0, 100, (32, 32))
        row, column = random.integers(8, 22, 2)
        pixels[row : row + 2, column : column + 2] = 255
        Image.fromarray(pixels.astype(np.uint8)).save(film.path)
    subjects = make_subjects({"a": LooksAtBright()})
    (record,) = made(subjects, tmp_path, alignment="gradient", layers=["input"]).records
    means = load_planes(tmp_path, record)[0]
    assert (means[:, 0, 15:17, 15:17] == 1).all()
    means[:, 0, 15:17, 15:17] = 0
    assert means.max() < 0.6
    assert record.alignment == "gradient"
    with pytest.raises(ProfileRefused, match="group by label"):
        made(subjects, tmp_path, "source", "gradient")


def test_a_network_that_cannot_be_lifted_is_named_and_the_others_are_complete(
    residual: Callable, make_subjects: MakeSubjects, tmp_path: Path
) -> None:
    class Forks(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if images.sum() > 0:
                return images.mean((2, 3)).repeat(1, 3)
            return images.amax((2, 3)).repeat(1, 3)

    class Bursts(nn.Module):
        """Infinite where a film is padded."""

        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.relu(1 / (images - InputSpec(size=32).black)).mean((2, 3)).repeat(1, 3)

    networks = {"forks": torch.jit.script(Forks()), "sound": residual(0), "bursts": Bursts()}
    found = made(make_subjects(networks), tmp_path, layers=["relu"])
    assert [record.network for record in found.records] == ["sound"]
    assert "control flow" in found.failed["forks"]
    assert "not finite" in found.failed["bursts"]
    assert not list(tmp_path.rglob("forks*"))


def test_a_profile_is_put_where_a_gateway_finds_it(
    residual: Callable, make_subjects: MakeSubjects, tmp_path: Path
) -> None:
    found = made(make_subjects({"a": residual(0)}), tmp_path / "out" / STORED, layers=["relu"])
    serve_profiles(found, tmp_path / "out", tmp_path / "set")
    record = load_record(tmp_path / "set" / PROFILES, "a", "a")
    assert record == found.records[0]
    assert load_planes(tmp_path / "set" / PROFILES, record)[0].shape == (4, 4, 16, 16)


def test_profiles_of_one_name_are_made_in_one_way(
    residual: Callable, make_subjects: MakeSubjects, tmp_path: Path
) -> None:
    made(make_subjects({"a": residual(0)}), tmp_path, layers=["relu"])
    other = make_subjects({"b": residual(1)})
    same, _ = ask(other, "label", (), "none", "a", "test")
    refuse_mixed(same, other, [tmp_path])
    by_source, _ = ask(other, "source", (), "none", "a", "test")
    with pytest.raises(ProfileRefused, match=r"holds a of a, which is made otherwise \(grouped by label"):
        refuse_mixed(by_source, other, [tmp_path, tmp_path / "none"])
    refuse_mixed(by_source, make_subjects({"a": residual(0)}), [tmp_path])


def test_only_labels_that_are_chosen_have_groups(
    residual: Callable, make_subjects: MakeSubjects, tmp_path: Path
) -> None:
    subjects = make_subjects({"a": residual(0)})
    asked, films = ask(subjects, "label", ("relu",), "none", "a", "test", ["Pneumonia"])
    found = make_profiles(asked, subjects, films, tmp_path)
    assert [group.name for group in found.records[0].groups] == ["Pneumonia", "Pneumonia without COVID-19"]
    asked, films = ask(subjects, "label-x-prediction", ("relu",), "none", "a", "test", ["Pneumonia", "No Finding"])
    found = make_profiles(asked, subjects, films, tmp_path)
    assert not any("COVID-19" in text for text in (*found.left_out, *(one.name for one in found.records[0].groups)))


def test_a_profile_that_is_served_has_no_small_groups(
    residual: Callable, make_subjects: MakeSubjects, data_set: DataSet, tmp_path: Path
) -> None:
    subjects = replace(make_subjects({"a": residual(0)}), folder=tmp_path / "set")
    asked, films = ask(subjects, "label", ("relu",), "none", "a", "test", served=True)
    found = make_profiles(asked, subjects, films, tmp_path)
    assert [(group.name, group.patients) for group in found.records[0].groups] == [("COVID-19", 10), ("Pneumonia", 10)]
    assert found.left_out[0].startswith("left out of every group: 18 patient(s)")
    asked, films = ask(subjects, "source", ("relu",), "none", "a", "test", served=True)
    with pytest.raises(ProfileRefused, match="of 10 patients or more"):
        make_profiles(asked, subjects, films, tmp_path)


def test_what_cannot_be_profiled_is_refused_with_all_problems(
    residual: Callable, make_subjects: MakeSubjects, data_set: DataSet, tmp_path: Path
) -> None:
    subjects = make_subjects({"a": residual(0)})
    with pytest.raises(ProfileRefused) as caught:
        ask(subjects, "kind", (), "sideways", "no/name", "tset", ["Flu"])
    assert len(caught.value.problems) == 5
    with pytest.raises(ProfileRefused) as caught:
        ask(
            replace(subjects, problems=("no network b",)),
            "kind",
            ["input", "relu_9"],
            "none",
            None,
            "test",
            served=True,
        )
    assert len(caught.value.problems) == 4
    assert "no network has the layer relu_9; a has no layer relu_9; `auto` finds input" in caught.value.problems[-1]
    one_kind = subjects.films("test", ["No Finding"])
    asked, _ = ask(subjects, "main-source", (), "none", None, "test")
    with pytest.raises(ProfileRefused, match="fewer than two groups"):
        make_profiles(asked, subjects, one_kind, tmp_path)


def test_every_unreadable_film_is_named(
    residual: Callable, make_subjects: MakeSubjects, data_set: DataSet, tmp_path: Path
) -> None:
    for number in (3, 30):
        data_set.films[number].path.write_bytes(b"no image")
    with pytest.raises(FilmsUnreadable) as caught:
        made(make_subjects({"a": residual(0)}), tmp_path)
    assert len(caught.value.problems) == 2
