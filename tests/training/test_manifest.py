"""A manifest is read as written, split by group, and refused with everything that is wrong at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from radiolucent.training.cache import build_cache
from radiolucent.training.errors import ManifestError
from radiolucent.training.examples import SPLITS
from radiolucent.training.manifest import read_manifest

HEADER = "file,patient_id,group_id,labels,split,label_check"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "images").mkdir()
    for index in range(40):
        Image.fromarray(np.full((20, 24), index, np.uint8)).save(tmp_path / f"images/{index}.png")
    return tmp_path


def write(folder: Path, rows: list[str], header: str = HEADER) -> Path:
    path = folder / "manifest.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


SOUND = [
    "images/0.png,p0,g0,Pneumonia,train,",
    "images/1.png,p1,g1,COVID-19,val,",
    "images/2.png,p2,g2,No Finding,test,",
    "images/3.png,p3,g3,COVID-19;Pneumonia,test,",
]


def test_labels_are_taken_as_written_and_ordered_as_in_the_paper(folder: Path) -> None:
    manifest = read_manifest(write(folder, SOUND))
    assert [label.name for label in manifest.labels] == ["COVID-19", "Pneumonia", "No Finding"]
    assert manifest.films["val"][0].labels == {"COVID-19"}
    assert {split: manifest.count(split) for split in SPLITS} == {"train": 1, "val": 1, "test": 2}


def test_a_label_implies_its_nearest_ancestor_that_occurs(folder: Path) -> None:
    labels = {label.name: label.implies for label in read_manifest(write(folder, SOUND)).labels}
    assert labels == {"COVID-19": "Pneumonia", "Pneumonia": None, "No Finding": None}
    flat = read_manifest(write(folder, SOUND), implies={}).labels
    assert [label.implies for label in flat] == [None] * 3


def test_all_problems_are_reported_at_once_with_their_lines(folder: Path) -> None:
    rows = [
        *SOUND,
        "images/nowhere.png,p4,g4,Pneumonia,train,",
        "images/5.png,p5,g5,,train,",
        "images/6.png,p6,g6,Pneumonia,dev,",
        "images/7.png,p7,,Pneumonia,train,",
        "images/8.png,p8,g8,No Finding;Pneumonia,train,",
        "images/9.png,p0,g0,Pneumonia,test,",
        "images/0.png,p0,g0,Pneumonia,train,",
    ]
    with pytest.raises(ManifestError) as raised:
        read_manifest(write(folder, rows))
    problems = raised.value.problems
    for start in (
        "line 6: file 'images/nowhere.png' does not exist",
        "line 7: labels is empty",
        "line 8: split 'dev' is not one of",
        "line 9: group_id is empty",
        "line 10: labels say 'No Finding' and 'Pneumonia'",
        "line 11: group 'g0' is in 'test', but in 'train' on line 2",
        "line 12: file '0.png' is on line 2 already",
    ):
        assert any(problem.startswith(start) for problem in problems), (start, problems)
    assert len(problems) == 7
    assert "7 problems" in str(raised.value)


def test_missing_columns_are_named_together(folder: Path) -> None:
    with pytest.raises(ManifestError) as raised:
        read_manifest(write(folder, ["x"], header="image"))
    assert len(raised.value.problems) == 3


def test_rows_whose_labels_are_contradicted_are_left_out_unless_asked_for(folder: Path) -> None:
    rows = [
        *SOUND,
        "images/4.png,p4,g4,Pneumonia,train,rsna_contradicts+nih",
        "images/5.png,p5,g5,Pneumonia,train,uncertain",
    ]
    path = write(folder, rows)
    assert (read_manifest(path).count("train"), read_manifest(path).left_out) == (1, 2)
    assert read_manifest(path, keep_doubtful=True).count("train") == 3


def test_without_a_split_groups_are_split_and_never_torn(folder: Path) -> None:
    rows = [f"images/{i}.png,g{i // 2},Pneumonia" for i in range(40)]
    path = write(folder, rows, header="file,group_id,labels")
    manifest = read_manifest(path, seed=3)
    groups = [{film.group for film in manifest.films[split]} for split in SPLITS]
    assert [len(found) for found in groups] == [14, 2, 4]
    assert sum(len(found) for found in groups) == len(set.union(*groups))
    assert read_manifest(path, seed=3) == manifest
    assert read_manifest(path, seed=4) != manifest


def test_films_that_cannot_be_decoded_are_reported_together(folder: Path) -> None:
    for index in (0, 2):
        (folder / f"images/{index}.png").write_bytes(b"no image")
    manifest = read_manifest(write(folder, SOUND))
    with pytest.raises(ManifestError) as raised:
        build_cache(folder / "cache", manifest, [16])
    assert [problem.split(":")[0] for problem in raised.value.problems] == ["line 2", "line 4"]


def test_the_real_manifest_is_sound(shared: Path) -> None:
    manifest = read_manifest(shared / "data/cxr/manifest.csv")
    assert manifest.left_out == 95
    assert {split: manifest.count(split) for split in SPLITS} == {"train": 771, "val": 150, "test": 219}
