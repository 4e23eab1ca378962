from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from radiolucent.datasets import DataSet, read_data_set
from radiolucent.evaluation.explanations.average_mask import average_evidence, average_of
from radiolucent.evaluation.explanations.boxes import Box
from radiolucent.evaluation.explanations.localising import measure_localisation
from radiolucent.evaluation.explanations.truths import Truths, read_truths

MakeFilms = Callable[..., Any]
V7 = "lung: V7 CC BY 4.0 (255 lung incl. heart area, 127 ignore)"
GENERAL = "lesion: GeneralBlockchain (80 GGO); lung: GeneralBlockchain CC BY 4.0 (255 lung, heart excluded)"
CENTRE = f"lung mask covers only the centre square that ieee8023 cropped; {V7}"


def box(label: str = "Lung Opacity", x: float = 8, y: float = 6, w: float = 16, h: float = 12) -> dict[str, object]:
    return {"label": label, "x": x, "y": y, "w": w, "h": h, "by": "somebody"}


def boxes(*entries: dict[str, object]) -> dict[str, str]:
    return {"bbox": json.dumps(entries)}


def save(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def test_only_boxes_that_mean_disease_count_and_only_on_films_with_the_label(make_films: MakeFilms) -> None:
    lungs = (box("Left Lung", 40, 5, 30, 50), box("Right Lung", 5, 5, 30, 50))
    manifest, films = make_films(
        [
            boxes(box(), box("Pneumonia", 40, 30, 8, 6), *lungs, box("Mass")),
            boxes(*lungs),
            boxes(box()) | {"labels": "No Finding"},
            boxes(box()) | {"labels": "COVID-19"},
            boxes(box("Effusion")),
            {},
        ]
    )
    truths = read_truths(manifest, films)
    assert list(truths.disease) == ["0.png"]
    assert list(truths.disease["0.png"]) == ["Pneumonia"]
    assert truths.disease["0.png"]["Pneumonia"].mean() == pytest.approx((16 * 12 + 8 * 6) / (80 * 60), abs=2e-3)
    assert list(truths.lungs) == ["0.png", "1.png"]
    assert truths.failed == ()
    notes = "\n".join(truths.notes)
    assert "on films labelled No Finding are not used (films: 1)" in notes
    assert "on films without that label are not used (films: 1)" in notes
    assert "'Effusion'" in notes
    assert "'Mass'" in notes


def test_boxes_to_draw_are_in_pixels_of_the_film_and_those_of_disease_alone(make_films: MakeFilms) -> None:
    half = boxes(box(), box("Mass")) | {"width": "40", "height": "30", "scale": "0.5"}
    manifest, films = make_films([half, boxes(box()) | {"labels": "No Finding"}])
    truths = read_truths(manifest, films)
    assert truths.boxes == {"0.png": {"Pneumonia": (Box("Lung Opacity", 16, 12, 32, 24),)}}


def test_which_boxes_mean_which_disease_is_data(make_films: MakeFilms) -> None:
    manifest, films = make_films([boxes(box("Mass")) | {"labels": "COVID-19"}])
    assert set(read_truths(manifest, films, boxes={"Mass": "COVID-19"}).disease["0.png"]) == {"COVID-19"}


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (boxes(box(x=70)), "outside the film"),
        (boxes(box(y=-5)), "outside the film"),
        (boxes(box(), box(w=0)), "no area"),
        (boxes(box(w=float("nan"))), "no number"),
        ({"bbox": "[{"}, "no JSON"),
        ({"bbox": '{"x": 1}'}, "no JSON list"),
        ({"bbox": '[{"label": "Lung Opacity", "x": 1}]'}, "box 1 has no 'y'"),
        ({"bbox": '[{"label": "Lung Opacity", "x": "a", "y": 1, "w": 1, "h": 1}]'}, "box 1 cannot be read"),
        (boxes(box()) | {"width": "90", "height": "60"}, "says 90 x 60 pixels, the film has 80 x 60"),
        (boxes(box(w=0.01, h=0.01)), "smaller than a cell"),
    ],
)
def test_a_box_that_cannot_be_used_is_a_row_and_the_rest_completes(
    make_films: MakeFilms, cells: dict[str, str], reason: str
) -> None:
    manifest, films = make_films([cells, boxes(box())])
    truths = read_truths(manifest, films)
    assert list(truths.disease) == ["1.png"]
    (failed,) = [row for row in truths.failed if row.what == "localisation"]
    assert failed.file == "0.png"
    assert reason in failed.reason


def test_a_film_that_is_gone_is_a_row_for_each_thing_that_is_known_of_it(make_films: MakeFilms) -> None:
    manifest, films = make_films([boxes(box()) | {"mask_lung": "lung.png"}, boxes(box())])
    films[0].path.unlink()
    truths = read_truths(manifest, films)
    assert [(row.file, row.what) for row in truths.failed] == [("0.png", "localisation"), ("0.png", "lungs")]
    assert list(truths.disease) == ["1.png"]


def test_boxes_of_a_smaller_copy_fit_the_original(make_films: MakeFilms) -> None:
    half = boxes(box(x=4, y=3, w=8, h=6)) | {"width": "40", "height": "30", "scale": "0.5"}
    manifest, films = make_films([half, boxes(box())])
    disease = read_truths(manifest, films).disease
    np.testing.assert_array_equal(disease["0.png"]["Pneumonia"], disease["1.png"]["Pneumonia"])


def test_lung_masks_keep_their_kind_and_where_they_are_valid(make_films: MakeFilms) -> None:
    mask = np.zeros((60, 80))
    mask[10:50, 20:60] = 255
    mask[55:, 20:60] = 127
    manifest, films = make_films(
        [
            {"mask_lung": "lung.png", "mask_note": V7},
            {"mask_lung": "lung.png", "mask_note": GENERAL},
            {"mask_lung": "lung.png", "mask_note": CENTRE},
            {"mask_lung": "lung.png"},
        ]
    )
    save(manifest.parent / "lung.png", mask)
    truths = read_truths(manifest, films)
    assert {file: [one.kind for one in lungs] for file, lungs in truths.lungs.items()} == {
        "0.png": ["with heart area"],
        "1.png": ["heart area excluded"],
        "2.png": ["with heart area, centre square"],
        "3.png": ["kind not told"],
    }
    (lungs,), (centre,) = truths.lungs["0.png"], truths.lungs["2.png"]
    assert lungs.inside.mean() == pytest.approx(1600 / 4800, abs=0.01)
    assert (~lungs.valid).mean() == pytest.approx(200 / 4800, abs=0.01)
    # Of 80 columns the middle 60 were looked at, give or take one on either side.
    assert not centre.valid[:, : 224 // 80 * 8].any()
    assert centre.valid[:100].mean() == pytest.approx(62 / 80, abs=0.01)


@pytest.mark.parametrize(
    ("pixels", "note", "reason"),
    [
        (np.full((60, 79), 255), V7, "does not fit: it has 79 x 60 pixels, the film 80 x 60"),
        (np.full((60, 80), 1), V7, "has the value 1"),
        (np.zeros((60, 80)), V7, "shows no lung"),
        (np.full((60, 80), 255), CENTRE, "outside the centre square"),
        (None, V7, "cannot be read: No such file"),
    ],
)
def test_a_lung_mask_that_cannot_be_used_is_a_row(
    make_films: MakeFilms, pixels: np.ndarray | None, note: str, reason: str
) -> None:
    manifest, films = make_films([boxes(box()) | {"mask_lung": "lung.png", "mask_note": note}])
    if pixels is not None:
        save(manifest.parent / "lung.png", pixels)
    truths = read_truths(manifest, films)
    assert truths.lungs == {}
    assert list(truths.disease) == ["0.png"]
    assert [row.what for row in truths.failed] == ["lungs"]
    assert reason in truths.failed[0].reason


def test_a_file_that_is_no_image_is_a_row(make_films: MakeFilms) -> None:
    manifest, films = make_films([{"mask_lung": "lung.png"}])
    (manifest.parent / "lung.png").write_bytes(b"no image")
    assert "the mask lung.png cannot be read" in read_truths(manifest, films).failed[0].reason


def test_lesion_masks_are_used_where_asked_and_then_alone(make_films: MakeFilms) -> None:
    manifest, films = make_films([boxes(box()) | {"mask_lesion": "lesion.png"}])
    lesion = np.zeros((60, 80))
    lesion[:30, :40], lesion[30:, 40:] = 80, 200
    save(manifest.parent / "lesion.png", lesion)
    truths = read_truths(manifest, films, lesions={80: "Pneumonia"})
    assert truths.disease["0.png"]["Pneumonia"].mean() == pytest.approx(0.25)


def test_a_manifest_that_knows_no_places_gives_none_and_says_so(make_films: MakeFilms, tmp_path: Path) -> None:
    manifest, films = make_films([{"labels": "Pneumonia"}])
    truths = read_truths(manifest, films)
    assert (truths.disease, truths.lungs, truths.failed) == ({}, {}, ())
    assert len(truths.notes) == 2
    (tmp_path / "folder").mkdir()
    assert "without a manifest" in read_truths(tmp_path / "folder", films).notes[0]
    assert "known" in read_truths(tmp_path / "gone.csv", films).notes[0]


@pytest.fixture(scope="module")
def real(shared: Path) -> tuple[DataSet, Truths]:
    manifest = shared / "data" / "cxr" / "manifest.csv"
    data_set = read_data_set(manifest, pixels=False, keep_doubtful=True)
    return data_set, read_truths(manifest, data_set.films)


def test_the_real_films_have_as_many_boxes_and_masks_as_their_description_says(real: tuple[DataSet, Truths]) -> None:
    data_set, truths = real
    marked = {split: [f for f in data_set.of(split) if f.file in truths.disease] for split in ("train", "val", "test")}
    counts = {split: (len(films), len({film.group for film in films})) for split, films in marked.items()}
    assert counts == {"train": (86, 66), "val": (20, 14), "test": (27, 25)}
    kinds = [(film.main_source, one.kind) for film in data_set.of("test") for one in truths.lungs.get(film.file, ())]
    assert sum(kind != "boxes" for _, kind in kinds) == 23
    assert sum(kind == "boxes" for _, kind in kinds) == 39
    assert {source for source, _ in kinds} == {"ieee8023", "Hannover MHH"}
    # Two training films whose lungs go beyond the square that their note says was looked at.
    assert {row.file for row in truths.failed} == {"images/cxr_00996.jpg", "images/cxr_01187.jpg"}


def test_the_average_mask_of_real_training_films_points_far_better_than_chance(real: tuple[DataSet, Truths]) -> None:
    data_set, truths = real
    found = average_of(truths, data_set.of("train"), "Pneumonia")
    assert found is not None
    average, films = found
    assert films == 86
    rows = [
        row
        for film in data_set.of("test")
        if film.file in truths.disease
        for row in measure_localisation(
            film.file, [average_evidence(average, truths.grids[film.file], "Pneumonia")], truths
        )[0]
    ]
    means = {
        name: float(np.mean([row.value for row in rows if row.quantity == f"localisation.{name}"]))
        for name in ("pointing", "mass_inside", "auprc", "iou", "area")
    }
    assert means == pytest.approx(
        {"pointing": 0.593, "mass_inside": 0.278, "auprc": 0.445, "iou": 0.260, "area": 0.106}, abs=0.002
    )
