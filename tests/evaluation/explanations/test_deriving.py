"""What follows from stored maps is told of every film, and what its lung mask means with it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from radiolucent.datasets import DataSet
from radiolucent.evaluation.explanations.deriving import derive
from radiolucent.evaluation.explanations.stored_maps import StoredMaps
from radiolucent.evaluation.explanations.tables import AuditTables


def test_the_kind_of_a_films_lung_mask_is_kept_for_reports(
    make_films: Callable, make_tables: Callable[..., AuditTables], tmp_path: Path
) -> None:
    manifest, films = make_films([{"mask_lung": "lung.png", "mask_note": "lungs: V7, incl. heart area"}, {}])
    mask = np.zeros((60, 80), dtype=np.uint8)
    mask[10:50, 20:60] = 255
    Image.fromarray(mask).save(tmp_path / "lung.png")
    whole = make_tables(films=2)
    told = [
        film.model_copy(update={"file": real.file, "lung_kind": "stale"})
        for film, real in zip(whole.head.films, films, strict=True)
    ]
    tables = replace(whole, head=whole.head.model_copy(update={"films": tuple(told)}), measured=[], agreed=[])
    found = derive(
        tables,
        DataSet(manifest, "films", "a" * 64, whole.head.labels, tuple(films)),
        StoredMaps(tmp_path / "maps", None),
    )
    assert [film.lung_kind for film in found.head.films] == ["with heart area", ""]


def test_an_audit_of_training_films_has_an_average_mask_of_other_patients_alone(
    make_films: Callable, make_tables: Callable[..., AuditTables], tmp_path: Path
) -> None:
    box = '[{"label": "Lung Opacity", "x": 10, "y": 10, "w": 20, "h": 20}]'
    manifest, films = make_films([{"bbox": box}, {"bbox": box}])
    training = tuple(replace(film, split="train", group="one patient") for film in films)
    whole = make_tables(films=1)
    audited = (whole.head.films[0].model_copy(update={"file": films[0].file}),)
    tables = replace(whole, head=whole.head.model_copy(update={"films": audited}), measured=[], agreed=[])
    data_set = DataSet(manifest, "films", "a" * 64, whole.head.labels, training)
    found = derive(tables, data_set, StoredMaps(tmp_path / "maps", None))
    assert "no training film of another patient has its disease marked" in {row.reason for row in found.failed}
