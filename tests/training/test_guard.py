"""Fitting the guard: on made-up films, which cost nothing, and on the real ones, which decide."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from radiolucent.handlers import decode, preprocess
from radiolucent.handlers.guard import GUARD_INPUT, Guard, ranks
from radiolucent.handlers.image import XRay
from radiolucent.training.errors import RunError
from radiolucent.training.guard import GUARD, fit_guard, read_guard, write_guard
from sklearn.decomposition import PCA

Films = NDArray[np.float32]


def films(count: int, seed: int) -> Films:
    """Two dark lungs of unequal size in a bright frame, shaped and placed at random."""
    random = np.random.default_rng(seed)
    row, column = np.mgrid[0:16, 0:16] / 15
    made = []
    for _ in range(count):
        high, left, right = random.normal((0.45, 0.28, 0.72), 0.03)
        wide = random.normal((0.13, 0.09), 0.015)
        lungs = sum(
            np.exp(-(((column - x) / w) ** 2) - ((row - high) / 0.3) ** 2)
            for x, w in zip((left, right), wide, strict=True)
        )
        made.append(0.3 + 0.4 * row - 0.5 * lungs + random.normal(0, 0.03, (16, 16)))
    return np.clip(made, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def guard() -> Guard:
    fitted = fit_guard(films(400, 0), films(199, 1))
    assert fitted is not None
    return fitted


def test_unseen_films_alarm_at_about_the_calibrated_rate(guard: Guard) -> None:
    unlikeness = guard.unlikeness(films(1000, 2))
    # Twentieth of the films; of 199 that calibrate it, the rate itself has a standard deviation of 1.5 %.
    assert 0.01 <= (unlikeness > guard.threshold).mean() <= 0.1


@pytest.mark.parametrize(
    "change", [lambda f: 1 - f, lambda f: f[..., ::-1, :], lambda f: f[..., ::-1], lambda f: np.rot90(f, 1, (-2, -1))]
)
def test_films_that_lie_wrongly_are_warned_of(guard: Guard, change: Callable[[Films], Films]) -> None:
    assert (guard.unlikeness(change(films(200, 3))) > guard.threshold).mean() > 0.8


def test_the_distance_is_that_of_the_librarys_covariance_with_a_floor(guard: Guard) -> None:
    cells = ranks(films(400, 0).astype(float)).reshape(400, -1)
    pca = PCA(len(guard.components), svd_solver="full").fit(cells)
    covariance = pca.get_covariance() + 0.1 * pca.explained_variance_[0] * np.eye(256)
    other = ranks(films(50, 4).astype(float)).reshape(50, -1) - pca.mean_
    expected = np.einsum("fc,fc->f", other, np.linalg.solve(covariance, other.T).T)
    np.testing.assert_allclose(guard.distances(films(50, 4))[:, 0], expected, rtol=0.01)


def test_a_component_is_of_ten_films_at_least(guard: Guard) -> None:
    assert len(guard.components) == 16
    few = fit_guard(films(100, 0), films(30, 1))
    assert few is not None
    assert len(few.components) == 10


@pytest.mark.parametrize(("train", "held_out"), [(99, 100), (400, 19)])
def test_of_few_films_there_is_no_guard(tmp_path: Path, train: int, held_out: int) -> None:
    assert write_guard(tmp_path, films(train, 0), films(held_out, 1)) is None
    assert read_guard(tmp_path) is None


def test_of_films_that_are_all_alike_there_is_no_guard() -> None:
    assert fit_guard(np.repeat(films(1, 0), 200, axis=0), films(50, 1)) is None


def test_blank_films_among_the_others_do_no_harm() -> None:
    train, held_out = films(400, 0), films(100, 1)
    train[:3], held_out[:2] = 0, 1
    fitted = fit_guard(train, held_out)
    assert fitted is not None
    assert math.isfinite(fitted.distance.spread)
    assert fitted.held_out[-2:] == (1000, 1000)
    assert (fitted.unlikeness(films(200, 2)) > fitted.threshold).mean() < 0.15


def test_a_run_keeps_its_guard_in_its_folder(tmp_path: Path) -> None:
    written = write_guard(tmp_path, films(120, 0)[:, None], films(40, 1)[:, None])
    assert written is not None
    assert read_guard(tmp_path) == written
    (tmp_path / GUARD).write_text("{}")
    with pytest.raises(RunError, match=r"guard\.json"):
        read_guard(tmp_path)


@pytest.fixture(scope="module")
def real(shared: Path) -> dict[str, list[XRay]]:
    """The real films by split, small: 128 pixels, since the guard looks at 16."""
    folder = shared / "data" / "cxr"
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not row["label_check"].startswith(("rsna_contradicts", "unc"))]
    read: dict[str, list[XRay]] = {"train": [], "val": [], "test": []}
    for row in rows:
        with Image.open(folder / row["file"]) as image:
            image.thumbnail((128, 128))
            read[row["split"]].append(XRay(np.asarray(image.convert("L"), dtype=np.float32) / 255, "jpeg"))
    return read


def prepared(images: Sequence[XRay]) -> Films:
    return np.stack([preprocess(one, GUARD_INPUT).tensor for one in images])


@pytest.fixture(scope="module")
def on_real(real: dict[str, list[XRay]]) -> Guard:
    fitted = fit_guard(prepared(real["train"]), prepared(real["val"]))
    assert fitted is not None
    return fitted


def test_a_real_chest_read_with_white_lungs_warns_and_the_usual_one_does_not(on_real: Guard, shared: Path) -> None:
    originals = shared / "data" / "originals"
    usual = on_real.judge(decode((originals / "rsna_cr_chest_pa_jpeg_baseline.dcm").read_bytes()))
    assert not usual.warns
    assert usual.share > 0.5
    white = on_real.judge(decode((originals / "rsna_cr_chest_relabelled_monochrome1.dcm").read_bytes()))
    assert white.warns
    assert white.share == 1 / (len(on_real.held_out) + 1)
    assert "It would be like them with black and white exchanged." in white.text


def test_real_films_that_nobody_saw_alarm_seldom(on_real: Guard, real: dict[str, list[XRay]]) -> None:
    assert (on_real.unlikeness(prepared(real["test"])) > on_real.threshold).mean() < 0.1


@pytest.mark.parametrize("change", [lambda f: 1 - f, lambda f: f[::-1], np.rot90, lambda f: np.rot90(f, 3)])
def test_real_chests_that_are_inverted_or_turned_are_warned_of(
    on_real: Guard, real: dict[str, list[XRay]], change: Callable[[Films], Films]
) -> None:
    changed = [XRay(np.ascontiguousarray(change(one.pixels)), "jpeg") for one in real["test"]]
    assert (on_real.unlikeness(prepared(changed)) > on_real.threshold).mean() > 0.95
