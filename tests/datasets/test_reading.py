"""A manifest is read as written, split by group, and refused with everything that is wrong at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from radiolucent.datasets import SPLITS, DataSet, ManifestError, read_data_set

Manifest = Callable[..., Path]

SOUND = [
    "images/0.png,p0,g0,Pneumonia,train,",
    "images/1.png,p1,g1,COVID-19,val,",
    "images/2.png,p2,g2,No Finding,test,",
    "images/3.png,p3,g3,COVID-19;Pneumonia,test,",
]
PLAIN = "file,group_id,labels"


def problems_of(path: Path, **options: object) -> tuple[str, ...]:
    with pytest.raises(ManifestError) as raised:
        read_data_set(path, **options)  # type: ignore[arg-type]
    return raised.value.problems


def sizes(data: DataSet) -> list[int]:
    return [len(data.of(split)) for split in SPLITS]


def test_labels_are_taken_as_written_and_ordered_as_in_the_paper(manifest: Manifest) -> None:
    data = read_data_set(manifest(SOUND))
    assert [label.name for label in data.labels] == ["COVID-19", "Pneumonia", "No Finding"]
    assert sizes(data) == [1, 1, 2]
    covid_without_pneumonia = data.of("val")[0].known
    assert (covid_without_pneumonia["COVID-19"], covid_without_pneumonia["Pneumonia"]) == (True, False)
    np.testing.assert_array_equal(data.targets(data.films), [[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 1, 0]])


def test_a_label_implies_its_nearest_ancestor_that_occurs(manifest: Manifest) -> None:
    labels = {label.name: label.implies for label in read_data_set(manifest(SOUND)).labels}
    assert labels == {"COVID-19": "Pneumonia", "Pneumonia": None, "No Finding": None}
    assert [label.implies for label in read_data_set(manifest(SOUND), implies={}).labels] == [None] * 3


def test_what_nobody_looked_for_is_masked(manifest: Manifest) -> None:
    header = "file,group_id,labels,unknown,split"
    rows = [
        "images/0.png,g0,Pneumonia,COVID-19,train",
        "images/1.png,g1,COVID-19;Pneumonia,,val",
        "images/2.png,g2,No Finding,,test",
    ]
    data = read_data_set(manifest(rows, header))
    np.testing.assert_array_equal(data.targets(data.of("train")), [[np.nan, 1, 0]])


def test_all_problems_are_reported_at_once_with_their_lines(folder: Path, manifest: Manifest) -> None:
    (folder / "images/10.png").write_bytes(b"no image")
    (folder / "images/11.png").write_bytes((folder / "images/12.png").read_bytes()[:300])
    shutil.copy(folder / "images/1.png", folder / "images/13.png")
    rows = [
        *SOUND,
        "images/nowhere.png,p4,g4,Pneumonia,train,",
        "images/5.png,p5,g5,,train,",
        "images/6.png,p6,g6,Pneumonia,dev,",
        "images/7.png,p7,,Pneumonia,train,",
        "images/8.png,p8,g8,No Finding;Pneumonia,train,",
        "images/9.png,p0,g0,Pneumonia,test,",
        "images/0.png,p0,g0,Pneumonia,train,",
        "images/10.png,p10,g10,Pneumonia,train,",
        "images/11.png,p11,g11,Pneumonia,train,",
        "images/13.png,p13,g13,Pneumonia,train,",
        "images/14.png,p2,g14,Pneumonia,train,",
        "images/15.png,p15,g15,Pnuemonia,train,",
    ]
    problems = problems_of(manifest(rows))
    same = "line 15: file 'images/13.png' is the same as 'images/1.png' (line 3), but"
    for start in (
        "line 6: file 'images/nowhere.png' does not exist",
        "line 7: labels is empty",
        "line 8: split 'dev' is not one of",
        "line 9: group_id is empty",
        "line 10: labels say 'No Finding' and 'Pneumonia'",
        "line 11: group 'g0' is in 'test', but in 'train' on line 2",
        "line 12: file 'images/0.png' is on line 2 already",
        "line 13: file 'images/10.png': the file is neither PNG, JPEG nor DICOM",
        "line 14: file 'images/11.png': the PNG",
        f"{same} in 'train' and not in 'val'",
        f"{same} they contradict each other on COVID-19, Pneumonia",
        "line 16: patient 'p2' is in 'train', but in 'test' on line 4",
        "line 17: label 'Pnuemonia': is 'Pneumonia' meant?",
    ):
        assert any(problem.startswith(start) for problem in problems), (start, problems)
    assert len(problems) == 13, problems


def test_missing_columns_are_named_together(manifest: Manifest) -> None:
    assert len(problems_of(manifest(["x"], header="image"))) == 3


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("images/3.png,g3,Pneumonia,CC0,yes,COVID-19", "has more cells than the header has columns"),
        ("images/3.png,g3,Pneumonia,CC BY 4.0,not allowed", "commercial_use 'not allowed' is neither yes nor no"),
        ("images/3.png,g3,Pneumonia;unknown,,", "'unknown' is no label"),
        ("images/3.png,g3,Pneumonia;Banana,,", "label 'Banana' is not known here"),
        (f"images/{'x' * 300}.png,g3,Pneumonia,,", f"file 'images/{'x' * 300}.png' does not exist"),
    ],
)
def test_what_would_be_read_as_something_else_is_a_problem(manifest: Manifest, row: str, problem: str) -> None:
    header = "file,group_id,labels,licence,commercial_use"
    rows = [f"images/{n}.png,g{n},{label},," for n, label in enumerate(("Pneumonia", "No Finding", "Pneumonia"))]
    (found,) = problems_of(manifest([*rows, row], header))
    assert found.startswith(f"line 5: {problem}")


def test_a_column_that_is_there_twice_is_a_problem(manifest: Manifest) -> None:
    assert problems_of(manifest(["images/0.png,g,A,B"], "file,group_id,labels,labels")) == (
        "line 1: column 'labels' is there twice",
    )


def test_a_label_of_ones_own_is_taken_on_two_films_or_when_told(manifest: Manifest) -> None:
    rows = [*SOUND[:3], "images/3.png,p3,g3,Banana,test,"]
    assert read_data_set(manifest(rows), lone_labels=True).labels[-1].name == "Banana"
    assert read_data_set(manifest([*rows, "images/4.png,p4,g4,Banana,train,"])).labels[-1].name == "Banana"


def test_a_row_without_a_split_among_others_is_a_problem_unless_a_stored_split_has_it(
    manifest: Manifest, tmp_path: Path
) -> None:
    rows = [*SOUND, "images/4.png,p4,g4,Pneumonia,,"]
    assert problems_of(manifest(rows)) == ("line 6: split is empty, but not in other rows",)
    stored = tmp_path / "split.csv"
    splits = ["train", "val", "test", "test", "train"]
    stored.write_text("\n".join(["file,split", *(f"images/{n}.png,{split}" for n, split in enumerate(splits))]))
    assert sizes(read_data_set(manifest(rows), split=stored)) == [2, 1, 2]


def test_labels_that_were_not_asked_for_are_mistakes(manifest: Manifest) -> None:
    problems = problems_of(manifest(SOUND), labels=["Pneumonia", "No Finding"])
    assert [problem.partition(" is ")[0] for problem in problems] == [
        "line 3: label 'COVID-19'",
        "line 5: label 'COVID-19'",
    ]


def test_rows_whose_labels_are_contradicted_are_left_out_unless_asked_for(manifest: Manifest) -> None:
    rows = [
        *SOUND,
        "images/4.png,p4,g4,Pneumonia,train,rsna_contradicts+nih",
        "images/5.png,p5,g5,Pneumonia,train,uncertain",
    ]
    path = manifest(rows)
    data = read_data_set(path)
    assert (len(data.of("train")), data.left_out) == (1, {"doubtful labels": 2})
    assert len(read_data_set(path, keep_doubtful=True).of("train")) == 3


def test_only_films_that_may_be_used_commercially_are_kept_when_asked_for(manifest: Manifest) -> None:
    header = "file,group_id,labels,split,licence,commercial_use"
    rows = [
        "images/0.png,g0,Pneumonia,train,CC BY 4.0,",
        "images/1.png,g1,Pneumonia,train,CC BY-NC-SA 4.0,",
        "images/2.png,g2,Pneumonia,train,,",
        "images/3.png,g3,Pneumonia,train,by letter,yes",
        "images/4.png,g4,No Finding,val,CC0,",
        "images/5.png,g5,No Finding,test,CC BY,",
    ]
    path = manifest(rows, header)
    everything, allowed = read_data_set(path), read_data_set(path, commercial_only=True)
    assert (everything.commercial_use, allowed.commercial_use) == (False, True)
    assert allowed.left_out == {"no commercial use": 2}
    assert allowed.licences == {"CC BY 4.0": 1, "by letter": 1, "CC0": 1, "CC BY": 1}


def test_without_a_split_groups_are_split_and_never_torn(manifest: Manifest) -> None:
    path = manifest([f"images/{i}.png,g{i // 2},Pneumonia" for i in range(40)], PLAIN)
    data = read_data_set(path, seed=3)
    groups = [{film.group for film in data.of(split)} for split in SPLITS]
    assert [len(found) for found in groups] == [14, 2, 4]
    assert sum(len(found) for found in groups) == len(set.union(*groups))
    assert read_data_set(path, seed=3) == data
    assert read_data_set(path, seed=4) != data


def test_identical_files_and_one_patient_under_two_groups_are_split_together(folder: Path, manifest: Manifest) -> None:
    shutil.copy(folder / "images/0.png", folder / "images/1.png")
    rows = [f"images/{i}.png,g{i},p{i if i != 3 else 2},Pneumonia" for i in range(40)]
    for seed in range(4):
        films = read_data_set(manifest(rows, "file,group_id,patient_id,labels"), seed=seed).films
        assert (films[0].group, films[2].group) == (films[1].group, films[3].group)
        assert (films[0].split, films[2].split) == (films[1].split, films[3].split)


def test_look_alikes_in_two_splits_are_a_warning_that_names_them(folder: Path, manifest: Manifest) -> None:
    with Image.open(folder / "images/0.png") as image:
        image.resize((120, 100)).save(folder / "images/2.jpg", quality=60)
    data = read_data_set(manifest([*SOUND, "images/2.jpg,p9,g9,Pneumonia,test,"]))
    assert any("'images/0.png' (train) and 'images/2.jpg' (test) look alike" in warning for warning in data.warnings)
    assert not any("look alike" in warning for warning in read_data_set(manifest(SOUND)).warnings)


def test_too_few_groups_to_split_are_told(manifest: Manifest) -> None:
    assert problems_of(manifest(["images/0.png,g,Pneumonia", "images/1.png,h,Pneumonia"], PLAIN)) == (
        "2 groups of films are too few for 3 splits",
    )


def test_looking_at_files_can_be_stopped(manifest: Manifest) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_data_set(manifest(SOUND), progress=stop)


def test_the_real_manifest_is_sound(shared: Path) -> None:
    path = shared / "data/cxr/manifest.csv"
    data = read_data_set(path)
    assert data.left_out == {"doubtful labels": 95}
    assert sizes(data) == [771, 150, 219]
    assert any("COVID-19: the source alone tells it" in warning for warning in data.warnings)
    assert not any("look alike" in warning for warning in data.warnings)
    assert sizes(read_data_set(path, keep_doubtful=True, pixels=False)) == [866, 150, 219]
    covid_alone = [film for film in data.films if film.known["COVID-19"] and not film.known["Pneumonia"]]
    assert len(covid_alone) == 4
