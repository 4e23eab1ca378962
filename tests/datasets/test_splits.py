"""Splits, folds and selections keep groups whole and are alike in labels and sources; the same seed gives the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from radiolucent.datasets import (
    SPLITS,
    DataSet,
    Film,
    LabelsError,
    ManifestError,
    PlanError,
    make_labels,
    plan_folds,
    read_split,
    resample,
    select,
    write_split,
)
from radiolucent.datasets.splitting import connect, split_films

LABELS = ("COVID-19", "Pneumonia", "No Finding")


@pytest.fixture
def data() -> DataSet:
    """Return 600 films of 200 groups: COVID-19 and Pneumonia in source a, Pneumonia and No Finding in b and c."""
    rng = np.random.default_rng(0)
    films = []
    for number in range(600):
        group = int(rng.integers(200)) if number >= 200 else number
        source = ("a/one", "a/two", "b", "c")[group % 4]
        label = LABELS[group // 4 % 2] if source[0] == "a" else LABELS[1 + group // 4 % 2]
        known = {name: name == label for name in LABELS}
        films.append(Film(Path(f"{number}.png"), f"{number}.png", number + 2, known, f"g{group}", source=source))
    return DataSet(Path("m.csv"), "m", "0" * 64, make_labels(LABELS), tuple(films))


def groups(data: DataSet, split: str) -> set[str]:
    return {film.group for film in data.of(split)}  # type: ignore[arg-type]


def whole(data: DataSet) -> bool:
    found = [groups(data, split) for split in SPLITS]
    return sum(map(len, found)) == len(set.union(*found))


def test_films_that_share_a_patient_or_a_group_are_one_group_however_long_the_chain() -> None:
    assert connect([("a", "x"), ("b", "y"), ("", "x"), ("b", "x"), ("", ""), ("", "")]) == [0, 0, 0, 0, 1, 2]


@pytest.mark.parametrize(
    ("shares", "wanted"), [(None, (0.7, 0.1, 0.2)), ({"train": 3, "val": 1, "test": 1}, (0.6, 0.2, 0.2))]
)
def test_a_split_has_its_shares_of_every_kind_of_film(data: DataSet, shares: object, wanted: tuple[float, ...]) -> None:
    options = {} if shares is None else {"shares": shares}
    splits = split_films(data.films, seed=1, **options)  # type: ignore[arg-type]
    assert splits == split_films(data.films, seed=1, **options)  # type: ignore[arg-type]
    assert splits != split_films(data.films, seed=2, **options)  # type: ignore[arg-type]
    by_group = {(film.group, splits[film.file]) for film in data.films}
    assert len(by_group) == 200
    kinds = Counter((film.main_source, *film.known.values()) for film in data.films)
    for split, share in zip(SPLITS, wanted, strict=True):
        inside = Counter((f.main_source, *f.known.values()) for f in data.films if splits[f.file] == split)
        for kind, count in kinds.items():
            assert inside[kind] / count == pytest.approx(share, abs=0.06)


def test_a_split_is_read_as_it_was_written(data: DataSet, tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    made = resample(data, "draws:1")["draw-1"]
    write_split(made.films, path)
    assert path.read_text().splitlines()[0] == "file,group,split"
    assert read_split(path) == {film.file: film.split for film in made.films}
    path.write_text("file,split\na,train\na,test\n")
    with pytest.raises(ManifestError, match="line 3: file 'a' is named before"):
        read_split(path)


def test_grouped_folds_test_every_film_once(data: DataSet) -> None:
    folds = resample(data, "folds:5", seed=3)
    assert list(folds) == [f"fold-{number}" for number in range(1, 6)]
    tested = [film.file for fold in folds.values() for film in fold.of("test")]
    assert sorted(tested) == sorted(film.file for film in data.films)
    for fold in folds.values():
        assert whole(fold)
        assert len(fold.films) == 600
        assert len(fold.of("val")) / 480 == pytest.approx(0.15, abs=0.04)
    assert plan_folds(data, "folds:5", 3) == plan_folds(data, "folds:5", 3)


def test_draws_overlap_and_test_two_fifths(data: DataSet) -> None:
    draws = resample(data, "draws:5")
    assert len({frozenset(film.file for film in draw.of("test")) for draw in draws.values()}) == 5
    for draw in draws.values():
        assert whole(draw)
        assert len(draw.of("test")) / 600 == pytest.approx(0.4, abs=0.03)


def test_each_source_is_tested_by_what_was_trained_on_the_others(data: DataSet) -> None:
    folds = resample(data, "sources")
    assert list(folds) == ["without-a", "without-b", "without-c"]
    for name, fold in folds.items():
        assert {film.main_source for film in fold.of("test")} == {name[-1]}
        assert name[-1] not in {film.main_source for film in (*fold.of("train"), *fold.of("val"))}
        assert fold.of("val")


def test_a_patient_of_the_tested_source_is_not_trained_on_elsewhere(data: DataSet) -> None:
    torn = Film(Path("x.png"), "x.png", 0, {"Pneumonia": True}, data.films[0].group, source="c")
    more = DataSet(data.path, data.name, data.checksum, data.labels, (*data.films, torn))
    fold = resample(more, "sources")["without-a"]
    assert "x.png" not in {film.file for film in fold.films}
    assert fold.left_out == {"shares a group with the tested source": 1}


@pytest.mark.parametrize("plan", ["folds", "folds:1", "folds:300", "draws:0", "draws:x", "sources:2", "nope"])
def test_a_plan_that_cannot_be_is_refused(data: DataSet, plan: str) -> None:
    with pytest.raises(PlanError):
        plan_folds(data, plan)


def test_films_of_one_source_and_some_labels_are_selected(data: DataSet) -> None:
    within = select(data, sources=["a"], labels=["COVID-19", "Pneumonia"])
    assert {film.main_source for film in within.films} == {"a"}
    assert [(label.name, label.implies) for label in within.labels] == [("COVID-19", "Pneumonia"), ("Pneumonia", None)]
    assert within.left_out == {"other source": 600 - len(within.films)}
    assert {film.source for film in select(data, sources=["a/two"]).films} == {"a/two"}
    healthy = select(data, labels=["No Finding"])
    assert all(film.known["No Finding"] for film in healthy.films)


def test_what_is_not_there_cannot_be_selected(data: DataSet) -> None:
    with pytest.raises(PlanError, match="no source d; there are a, a/one, a/two, b, c"):
        select(data, sources=["d"])
    with pytest.raises(LabelsError, match="no label Mass"):
        select(data, labels=["Mass"])
    with pytest.raises(PlanError, match="no film"):
        select(data, sources=["b"], labels=["COVID-19"])


def test_warnings_are_those_of_the_films_that_are_left(data: DataSet) -> None:
    folds = resample(select(data, sources=["a"]), "folds:3")
    assert not any("source alone" in warning for fold in folds.values() for warning in fold.warnings)
    pair = (data.films[0].file, data.films[1].file)
    alike = DataSet(data.path, data.name, data.checksum, data.labels, data.films, look_alikes=(pair,))
    for fold in resample(alike, "folds:3").values():
        split = {film.file: film.split for film in fold.films}
        across = any(f"{pair[0]!r} ({split[pair[0]]}) and" in warning for warning in fold.warnings)
        assert across == (split[pair[0]] != split[pair[1]])
